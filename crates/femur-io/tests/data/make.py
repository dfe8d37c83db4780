"""Makes the files of this folder with gmsh 4.15, VTK 9.7 and meshio 5.3: `pip install gmsh vtk meshio`, then `python make.py`."""

import os

import gmsh
import meshio
import numpy as np
import vtk

HERE = os.path.dirname(os.path.abspath(__file__))


def here(name):
    return os.path.join(HERE, name)


def shear(x):
    """An affine map, so that midside nodes stay halfway."""
    return [2 * x[0] + 0.3 * x[1], x[1] + 0.1 * x[0], 1.5 * x[2] + 0.2 * x[0]]


def start(version, binary=0):
    gmsh.clear()
    gmsh.option.setNumber("General.Verbosity", 1)
    gmsh.option.setNumber("Mesh.MshFileVersion", version)
    gmsh.option.setNumber("Mesh.Binary", binary)
    gmsh.option.setNumber("Mesh.SaveAll", 0)
    gmsh.option.setNumber("Mesh.SecondOrderIncomplete", 0)
    gmsh.option.setNumber("Mesh.PartitionOldStyleMsh2", 0)


def block(recombine, layers, order, incomplete, dim, name, version, binary):
    """A box or rectangle of few cells with groups inside, one side and, in 2D, a corner."""
    start(version, binary)
    gmsh.option.setNumber("Mesh.SecondOrderIncomplete", incomplete)
    p = [gmsh.model.geo.addPoint(*c, 0) for c in [(0, 0), (1, 0), (1, 1), (0, 1)]]
    lines = [gmsh.model.geo.addLine(p[i], p[(i + 1) % 4]) for i in range(4)]
    for line in lines:
        gmsh.model.geo.mesh.setTransfiniteCurve(line, 3)
    s = gmsh.model.geo.addPlaneSurface([gmsh.model.geo.addCurveLoop(lines)])
    gmsh.model.geo.mesh.setTransfiniteSurface(s)
    if recombine:
        gmsh.model.geo.mesh.setRecombine(2, s)
    if dim == 3:
        out = gmsh.model.geo.extrude([(2, s)], 0, 0, 1, [1], recombine=layers)
        gmsh.model.geo.synchronize()
        gmsh.model.addPhysicalGroup(3, [out[1][1]], 7, "inside of it")
        gmsh.model.addPhysicalGroup(2, [s], 3, "base")
    else:
        gmsh.model.geo.synchronize()
        gmsh.model.addPhysicalGroup(2, [s], 7, "inside of it")
        gmsh.model.addPhysicalGroup(1, [lines[3]], 3, "base")
    gmsh.model.addPhysicalGroup(0, [p[0]], 4, "corner")
    gmsh.model.mesh.generate(dim)
    gmsh.model.mesh.setOrder(order)
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    for tag, x in zip(tags, xyz.reshape(-1, 3)):
        gmsh.model.mesh.setNode(tag, shear(x) if dim == 3 else shear([x[0], x[1], 0])[:2] + [0], [])
    gmsh.write(here(name))


def pyramid():
    start(4.1)
    gmsh.model.add("pyramid")
    gmsh.model.addDiscreteEntity(3, 1)
    xyz = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 1)]
    gmsh.model.mesh.addNodes(3, 1, [11, 12, 13, 14, 1000015], np.array(xyz).ravel())
    gmsh.model.mesh.addElementsByType(1, 7, [5], [11, 12, 13, 14, 1000015])
    gmsh.option.setNumber("Mesh.SaveAll", 1)
    gmsh.write(here("pyramid5.msh"))


def groups():
    """Two squares: groups that overlap, one name in two dimensions, a group without a name; whole, partitioned, with data."""
    for version, name in [(2.2, "groups_22.msh"), (4.1, "groups_41.msh")]:
        start(version)
        gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
        gmsh.model.occ.addRectangle(1, 0, 0, 1, 1)
        gmsh.model.occ.fragment([(2, 1)], [(2, 2)])
        gmsh.model.occ.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.6)
        gmsh.model.addPhysicalGroup(2, [1], 7, "a")
        gmsh.model.addPhysicalGroup(2, [1, 2], 8, "both parts")
        gmsh.model.addPhysicalGroup(1, [1], 7, "a")
        gmsh.model.addPhysicalGroup(1, [3, 4], 9)
        gmsh.model.addPhysicalGroup(0, [1], 3)
        gmsh.model.mesh.generate(2)
        gmsh.write(here(name))
        if version == 4.1:
            tags, xyz, _ = gmsh.model.mesh.getNodes()
            view = gmsh.view.add("position")
            gmsh.view.addHomogeneousModelData(view, 0, gmsh.model.getCurrent(), "NodeData", tags, np.zeros(len(xyz)), numComponents=3)
            gmsh.view.addHomogeneousModelData(view, 1, gmsh.model.getCurrent(), "NodeData", tags, xyz, numComponents=3)
            elements = np.concatenate(gmsh.model.mesh.getElements(2)[1])
            cells = gmsh.view.add("number")
            gmsh.view.addHomogeneousModelData(cells, 0, gmsh.model.getCurrent(), "ElementData", elements, elements.astype(float))
            part = gmsh.view.add("somewhere")
            gmsh.view.addHomogeneousModelData(part, 0, gmsh.model.getCurrent(), "NodeData", tags[:3], np.ones(3))
            for binary, target in [(0, "data_41.msh"), (1, "data_41_bin.msh")]:
                gmsh.option.setNumber("Mesh.Binary", binary)
                gmsh.write(here(target))
                for v in [view, cells, part]:
                    gmsh.view.write(v, here(target), True)
            gmsh.option.setNumber("Mesh.Binary", 0)
            gmsh.model.mesh.partition(2)
            gmsh.write(here("partitioned_41.msh"))


def vtu():
    """One mesh of four kinds in every encoding that VTK writes."""
    xyz = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1),
           (0.5, 0.5, 2), (2, 0, 0), (2, 0, 1), (3, 0, 0.5), (9, 9, 9)]
    cells = [(10, [1, 9, 2, 5]), (12, range(8)), (14, [4, 5, 6, 7, 8]), (11, [0, 1, 3, 2, 4, 5, 7, 6]), (5, [0, 1, 2])]
    grid = vtk.vtkUnstructuredGrid()
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    for x in xyz:
        points.InsertNextPoint(x)
    grid.SetPoints(points)
    for kind, nodes in cells:
        grid.InsertNextCell(kind, len(list(nodes)), list(nodes))

    def add(data, name, cls, rows):
        array = cls()
        array.SetName(name)
        array.SetNumberOfComponents(len(rows[0]))
        for row in rows:
            array.InsertNextTuple(row)
        data.AddArray(array)

    n, m = len(xyz), len(cells)
    add(grid.GetPointData(), "u", vtk.vtkDoubleArray, [(0.1 * i, -i, 1e-9 * i) for i in range(n)])
    add(grid.GetPointData(), "t", vtk.vtkFloatArray, [(0.5 * i,) for i in range(n)])
    for name, cls in [("i8", vtk.vtkSignedCharArray), ("u8", vtk.vtkUnsignedCharArray), ("i16", vtk.vtkShortArray), ("u16", vtk.vtkUnsignedShortArray),
                      ("i32", vtk.vtkIntArray), ("u32", vtk.vtkUnsignedIntArray), ("i64", vtk.vtkLongLongArray), ("u64", vtk.vtkUnsignedLongLongArray)]:
        sign = -1 if name[0] == "i" else 1
        add(grid.GetCellData(), name, cls, [(sign * 7 * (i + 1),) for i in range(m)])

    def write(name, mode, zlib=True, head=64, encode=True, big=False):
        w = vtk.vtkXMLUnstructuredGridWriter()
        w.SetInputData(grid)
        w.SetFileName(here(name))
        {"ascii": w.SetDataModeToAscii, "binary": w.SetDataModeToBinary, "appended": w.SetDataModeToAppended}[mode]()
        w.SetCompressorTypeToZLib() if zlib else w.SetCompressorTypeToNone()
        w.SetHeaderTypeToUInt64() if head == 64 else w.SetHeaderTypeToUInt32()
        w.SetEncodeAppendedData(encode)
        if big:
            w.SetByteOrderToBigEndian()
        w.SetBlockSize(32 * 8)
        assert w.Write() == 1

    write("ascii.vtu", "ascii", zlib=False)
    write("inline.vtu", "binary", zlib=False)
    write("inline_zlib.vtu", "binary")
    write("inline_u32.vtu", "binary", zlib=False, head=32)
    write("inline_zlib_u32.vtu", "binary", head=32)
    write("appended_base64.vtu", "appended", zlib=False)
    write("appended_base64_zlib_u32.vtu", "appended", head=32)
    write("appended_raw.vtu", "appended", zlib=False, encode=False)
    write("appended_raw_zlib.vtu", "appended", encode=False)
    write("appended_raw_big.vtu", "appended", zlib=False, encode=False, big=True)
    write("inline_zlib_big.vtu", "binary", head=32, big=True)
    mesh = meshio.read(here("ascii.vtu"))
    meshio.write(here("meshio_zlib.vtu"), mesh)
    meshio.write(here("meshio.vtu"), mesh, compression=None)


gmsh.initialize()
block(False, False, 2, 0, 2, "triangle6.msh", 2.2, 0)
block(True, False, 2, 1, 2, "quad8.msh", 4.1, 0)
block(True, False, 2, 0, 2, "quad9.msh", 2.2, 1)
block(False, False, 2, 0, 3, "tet10.msh", 4.1, 1)
block(True, True, 1, 0, 3, "hex8.msh", 4.1, 1)
block(True, True, 2, 1, 3, "hex20.msh", 2.2, 1)
block(True, True, 2, 0, 3, "hex27.msh", 4.1, 0)
block(False, True, 1, 0, 3, "wedge6.msh", 2.2, 0)
block(False, True, 2, 1, 3, "wedge15.msh", 4.1, 1)
pyramid()
groups()
gmsh.finalize()
vtu()
