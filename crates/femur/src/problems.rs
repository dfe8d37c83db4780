//! The published problems that `femur verify` holds Femur against: one list. The files are ordinary cases in `benchmarks/problems`.

macro_rules! problems {
    ($($name:literal),* $(,)?) => {
        /// Every problem: its name and its case file.
        pub const PROBLEMS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../benchmarks/problems/", $name, ".toml")))),*];
    };
}

problems![
    "cavity-re100",
    "cavity-re1000",
    "cavity-re400",
    "cook-nearly-incompressible",
    "cook-neo-hookean",
    "cook-neo-hookean-incompressible",
    "cook-plane-strain",
    "cook-plane-stress",
    "dfg-2d-1",
    "dfg-2d-2",
    "dfg-2d-3",
    "hertz-line",
    "hill-cylinder",
    "howland-strip",
    "howland-wide-strip",
    "kirsch-infinite",
    "lame-cylinder",
    "lame-ring",
    "macneal-beam-in-plane",
    "macneal-beam-out-of-plane",
    "nafems-fv32",
    "nafems-fv52",
    "nafems-le1",
    "nafems-le10",
    "nafems-le10-coarse",
    "nafems-t1",
    "nafems-t2",
    "nafems-t3",
    "nafems-t4",
    "timoshenko-cantilever",
    "turek-hron-csm1",
    "turek-hron-csm2",
    "turek-hron-csm3",
];
