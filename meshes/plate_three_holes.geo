// A plate of 2 x 1 with a circle, an ellipse and a rounded slot: none of Femur's generators makes this mesh.
//   gmsh plate_three_holes.geo -2 -order 2 -format msh41 -o plate_three_holes.msh
// Tags and measures are those of the demo's plates. Other radii: -setnumber radius 0.12
SetFactory("OpenCASCADE");
DefineConstant[ radius = 0.15, size = 0.08 ];

Rectangle(1) = {0, 0, 0, 2, 1};
Disk(2) = {0.45, 0.65, 0, radius};
Disk(3) = {1.05, 0.35, 0, 0.18, 0.1};
Rectangle(4) = {1.42, 0.6, 0, 0.3, 0.16, 0.079};
BooleanDifference(10) = { Surface{1}; Delete; }{ Surface{2:4}; Delete; };

eps = 1e-6;
left() = Curve In BoundingBox{-eps, -eps, -eps, eps, 1 + eps, eps};
right() = Curve In BoundingBox{2 - eps, -eps, -eps, 2 + eps, 1 + eps, eps};
bottom() = Curve In BoundingBox{-eps, -eps, -eps, 2 + eps, eps, eps};
top() = Curve In BoundingBox{-eps, 1 - eps, -eps, 2 + eps, 1 + eps, eps};
hole() = Boundary{ Surface{10}; };
hole() = Abs(hole());
hole() -= {left(), right(), bottom(), top()};

Physical Curve("left") = {left()};
Physical Curve("right") = {right()};
Physical Curve("bottom") = {bottom()};
Physical Curve("top") = {top()};
Physical Curve("hole") = {hole()};
Physical Surface("plate") = {10};

Field[1] = Distance;
Field[1].CurvesList = {hole()};
Field[1].Sampling = 100;
Field[2] = Threshold;
Field[2].InField = 1;
Field[2].SizeMin = size / 3;
Field[2].SizeMax = size;
Field[2].DistMin = 0.02;
Field[2].DistMax = 0.4;
Background Field = 2;
Mesh.MeshSizeExtendFromBoundary = 0;
Mesh.MeshSizeFromPoints = 0;
Mesh.Algorithm = 6;
