"""Truth, prediction and error side by side: paraview --script=compare.py, or pvbatch compare.py [FIELD] for a picture.

Three linked views on one colour scale (the error has its own), warped by the displacement where there is one, with all
time steps. Without a name the field is von_mises, temperature, or the first.
"""

import os
import sys

from paraview.simple import *  # noqa: F403 - the names of ParaView's own scripts

HERE = os.path.dirname(os.path.abspath(__file__ if "__file__" in globals() else sys.argv[0]))
reader = PVDReader(FileName=os.path.join(HERE, "compare.pvd"))  # noqa: F405
reader.UpdatePipeline()

names = [reader.PointData[i].GetName() for i in range(reader.PointData.GetNumberOfArrays())]
fields = [n[len("truth_"):] for n in names if n.startswith("truth_")]
wanted = [a for a in sys.argv[1:] if a in fields]
field = (wanted + [f for f in ("von_mises", "temperature") if f in fields] + fields)[0]

bounds = reader.GetDataInformation().GetBounds()
size = max(bounds[1] - bounds[0], bounds[3] - bounds[2], bounds[5] - bounds[4])

layout = CreateLayout("compare")  # noqa: F405
cameras = []
ranges = [reader.PointData[f"{kind}_{field}"].GetRange(-1 if field == "displacement" else 0) for kind in ("truth", "prediction")]
low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)

for index, kind in enumerate(("truth", "prediction", "error")):
    view = CreateView("RenderView")  # noqa: F405
    AssignViewToLayout(view=view, layout=layout, hint=0)  # noqa: F405
    source = reader
    shape = "truth_displacement" if kind == "truth" else "prediction_displacement"
    if shape in names:
        reach = max(abs(v) for v in reader.PointData[shape].GetRange(-1)) or 1.0
        source = WarpByVector(Input=reader, Vectors=["POINTS", shape], ScaleFactor=0.05 * size / reach)  # noqa: F405
    display = Show(source, view)  # noqa: F405
    array = f"{kind}_{field}"
    ColorBy(display, ("POINTS", array))  # noqa: F405
    table = GetColorTransferFunction(array)  # noqa: F405
    if kind == "error":
        display.RescaleTransferFunctionToDataRange(False)
    else:
        table.RescaleTransferFunction(low, high)
    bar = GetScalarBar(table, view)  # noqa: F405
    bar.Title = f"{kind} {field}"
    bar.ComponentTitle = ""
    display.SetScalarBarVisibility(view, True)
    ResetCamera(view)  # noqa: F405
    cameras.append(view)

for view in cameras[1:]:
    AddCameraLink(cameras[0], view, f"link{cameras.index(view)}")  # noqa: F405

if os.path.basename(sys.argv[0]).startswith("pvbatch") or "--save" in sys.argv or "pvbatch" in sys.executable:
    SaveScreenshot(os.path.join(HERE, "compare.png"), layout, ImageResolution=[1800, 600])  # noqa: F405
