"""Truth, prediction and error side by side: paraview --script=compare.py, or pvbatch compare.py [FIELD] for compare.png.

Three views with one camera. Truth and prediction share a colour scale over all time steps, the error has one that is symmetric
about zero. Where there is a displacement the shape is warped by it, all views by the same factor. Without a name the field is
von_mises, temperature, or the first; pvbatch shows the last time step.
"""

import os
import sys

import paraview
from paraview import simple as pv

HERE = os.path.dirname(os.path.abspath(__file__ if "__file__" in globals() else sys.argv[0]))
KINDS = ("truth", "prediction", "error")


def range_of(reader, name):
    """Least and largest value over all time steps; the magnitude's of a vector."""
    low, high = float("inf"), float("-inf")
    for time in reader.TimestepValues or [0.0]:
        reader.UpdatePipeline(time)
        array = reader.PointData[name]
        a, b = array.GetRange(0 if array.GetNumberOfComponents() == 1 else -1)
        low, high = min(low, a), max(high, b)
    return low, high


reader = pv.PVDReader(FileName=os.path.join(HERE, "compare.pvd"))
reader.UpdatePipeline()
names = [reader.PointData[i].GetName() for i in range(reader.PointData.GetNumberOfArrays())]
fields = [n[len("truth_"):] for n in names if n.startswith("truth_")]
unknown = [a for a in sys.argv[1:] if a not in fields]
if unknown:
    sys.exit(f"{', '.join(unknown)}: no such field; there are {', '.join(fields)}")
field = (sys.argv[1:] + [f for f in ("von_mises", "temperature") if f in fields] + fields)[0]

bounds = reader.GetDataInformation().GetBounds()
extents = [bounds[2 * d + 1] - bounds[2 * d] for d in range(3)]
flat = extents[2] == 0.0
ranges = {kind: range_of(reader, f"{kind}_{field}") for kind in KINDS}
both = (min(ranges["truth"][0], ranges["prediction"][0]), max(ranges["truth"][1], ranges["prediction"][1]))
worst = max(abs(v) for v in ranges["error"])
is_vector = reader.PointData[f"truth_{field}"].GetNumberOfComponents() > 1
warped = "truth_displacement" in names
if warped:
    reach = range_of(reader, "truth_displacement")[1]
    factor = 0.05 * max(extents) / reach if reach > 0.0 else 1.0

layout = pv.CreateLayout("compare")
left = layout.SplitHorizontal(0, 1.0 / 3.0)
layout.SplitHorizontal(left + 1, 0.5)
layout.SetSize(1800, 600)
views = []
for index, kind in enumerate(KINDS):
    view = pv.CreateView("RenderView")
    # They would lie under the colour bar.
    view.OrientationAxesVisibility = 0
    # A picture on a background of one colour prints well.
    view.UseColorPaletteForBackground = 0
    view.Background = [1.0, 1.0, 1.0]
    view.InteractionMode = "2D" if flat else "3D"
    pv.AssignViewToLayout(view=view, layout=layout, hint=(1, 5, 6)[index])
    source = reader
    if warped:
        shape = "truth_displacement" if kind == "truth" else "prediction_displacement"
        source = pv.WarpByVector(Input=reader, Vectors=["POINTS", shape], ScaleFactor=factor)
    display = pv.Show(source, view)
    array = f"{kind}_{field}"
    pv.ColorBy(display, ("POINTS", array))
    table = pv.GetColorTransferFunction(array)
    if kind == "error" and not is_vector:
        table.ApplyPreset("Cool to Warm", True)
        table.RescaleTransferFunction(-worst, worst)
    else:
        table.ApplyPreset("Viridis (matplotlib)", True)
        table.RescaleTransferFunction(*(ranges["error"] if kind == "error" else both))
    table.AutomaticRescaleRangeMode = "Never"
    bar = pv.GetScalarBar(table, view)
    bar.Title = f"{kind} {field}"
    bar.ComponentTitle = "magnitude" if is_vector else ""
    bar.TitleColor = bar.LabelColor = [0.0, 0.0, 0.0]
    bar.TitleFontSize = bar.LabelFontSize = 13
    bar.RangeLabelFormat = "%.4g"
    bar.Orientation = "Horizontal"
    bar.WindowLocation = "Lower Center"
    bar.ScalarBarLength = 0.6
    display.SetScalarBarVisibility(view, True)
    if kind == "truth":
        note = "" if not warped else f"shape x {factor:.3g}"
        if len(reader.TimestepValues) > 1:
            clock = pv.AnnotateTimeFilter(Input=reader, Format="t = {time:g}  " + note)
            label = pv.Show(clock, view)
        else:
            label = pv.Show(pv.Text(Text=note), view)
        label.Color = [0.0, 0.0, 0.0]
        label.FontSize = 13
        label.WindowLocation = "Upper Left Corner"
    pv.ResetCamera(view)
    if not flat:
        view.CameraPosition = [view.CameraFocalPoint[d] + (1.0, -1.6, 0.9)[d] * max(extents) for d in range(3)]
        view.CameraViewUp = [0.0, 0.0, 1.0]
        pv.ResetCamera(view)
    # Room for the bar below the body.
    view.CameraParallelScale *= 1.15
    views.append(view)

for index, view in enumerate(views[1:]):
    pv.AddCameraLink(views[0], view, f"compare{index}")

scene = pv.GetAnimationScene()
scene.UpdateAnimationUsingDataTimeSteps()
scene.GoToLast()
pv.RenderAllViews()
if not getattr(paraview, "fromGUI", False):
    picture = os.path.join(HERE, "compare.png")
    pv.SaveScreenshot(picture, layout, ImageResolution=[1800, 600])
    print(picture)
