use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const PLATE: &str = r#"
seed = 7
physics = "linear-elasticity"
[mesh]
generator = "plate-hole"
size = 0.06
hole.x = { min = 0.5, max = 1.5, per = "base", nominal = 1.0 }
hole.shape = { choice = ["circle", "ellipse"], per = "base" }
[materials.plate]
E = { min = 1e9, max = 1e11, scale = "log" }
nu = 0.3
[[boundary]]
tag = "left"
displacement = [0, "free"]
[[boundary]]
tag = "right"   # the loaded edge
traction.magnitude = 1e6
traction.angle = { min = 0, max = 180, per = "variant", nominal = 0 }
[samples]
train = 8
valid = 2
test = 4
variants = 2
"#;

fn plate() -> CaseFile {
    CaseFile::parse(PLATE, "case.toml").unwrap()
}

fn with(extra: &[&str]) -> CaseFile {
    let mut file = plate();
    extra.iter().for_each(|s| file.set(s).unwrap());
    file
}

fn values(case: &Case) -> Vec<f64> {
    case.params.iter().map(|p| p.value).collect()
}

fn error(text: &str) -> String {
    CaseFile::parse(text, "case.toml").and_then(|f| f.nominal()).unwrap_err().to_string()
}

#[test]
fn nominal_takes_nominal_then_the_middle_then_the_first() {
    let case = plate().nominal().unwrap();
    let paths: Vec<&str> = case.params.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["mesh.hole.x", "mesh.hole.shape", "materials.plate.E", "boundary.1.traction.angle"]);
    assert_eq!(case.params[0].value, 1.0);
    assert_eq!(case.params[1].value, 0.0);
    assert!((case.params[2].value - 1e10).abs() < 1.0, "geometric middle: {}", case.params[2].value);
    let hole = case.table("mesh").table("hole").unwrap();
    assert_eq!(hole.string("shape").unwrap(), "circle");
    let traction = case.tables("boundary")[1].table("traction").unwrap();
    assert_eq!((traction.f64("angle").unwrap(), traction.path(), traction.f64("magnitude").unwrap()), (0.0, "boundary.1.traction", 1e6));
    assert_eq!(case.tables("boundary")[0].optional_exprs("displacement").unwrap(), [Some(Expr::constant(0.0)), None]);
}

#[test]
fn ranges_know_kind_and_frequency() {
    let ranges = plate().ranges().unwrap();
    assert_eq!(ranges.len(), 4);
    assert_eq!((ranges[0].per, &ranges[0].kind, ranges[0].line), (Per::Base, &RangeKind::Uniform { min: 0.5, max: 1.5 }, 7));
    assert_eq!((ranges[2].per, &ranges[2].kind), (Per::Variant, &RangeKind::LogUniform { min: 1e9, max: 1e11 }));
}

/// Every draw of a file, by (split, base, variant).
fn all_draws(file: &CaseFile) -> Vec<((Split, usize, usize), Vec<f64>)> {
    let samples = file.samples().unwrap();
    let mut out = Vec::new();
    for split in Split::ALL {
        for base in 0..samples.count(split) {
            for variant in 0..samples.variants {
                out.push(((split, base, variant), values(&file.draw(split, base, variant).unwrap())));
            }
        }
    }
    out
}

#[test]
fn raising_counts_only_appends_and_splits_share_nothing() {
    for method in ["sobol", "random"] {
        let small = with(&[&format!("samples.method={method}")]);
        let large =
            with(&[&format!("samples.method={method}"), "samples.train=40", "samples.valid=9", "samples.test=5", "samples.variants=5"]);
        let many = all_draws(&large);
        assert_eq!(many.len(), (40 + 9 + 5) * 5);
        for (id, draw) in all_draws(&small) {
            let same = many.iter().find(|(other, _)| *other == id).map(|(_, d)| d);
            assert_eq!(same, Some(&draw), "{method} {id:?}");
        }
        // Base ranges are one for all variants of a base case, variant ranges differ; no two base cases agree.
        let mut bases = BTreeSet::new();
        for chunk in many.chunks(5) {
            assert!(chunk.iter().all(|(_, d)| d[..2] == chunk[0].1[..2]));
            assert_eq!(chunk.iter().map(|(_, d)| d[3].to_bits()).collect::<BTreeSet<_>>().len(), 5);
            assert!(bases.insert(chunk[0].1[0].to_bits()));
        }
        assert_ne!(values(&with(&["seed=8", &format!("samples.method={method}")]).draw(Split::Train, 0, 0).unwrap()), many[0].1);
    }
}

#[test]
fn draws_lie_in_range_and_sobol_is_even() {
    let file = with(&["samples.train=64"]);
    let draws: Vec<Vec<f64>> = (0..64).map(|i| values(&file.draw(Split::Train, i, 0).unwrap())).collect();
    assert!(draws.iter().all(|d| (0.5..=1.5).contains(&d[0]) && (1e9..=1e11).contains(&d[2]) && (0.0..=180.0).contains(&d[3])));
    // 64 points of a (t, m, s)-net in base 2: each of the 64 slices of a range holds one point, each word comes 32 times.
    let slices: BTreeSet<usize> = draws.iter().map(|d| ((d[0] - 0.5) * 64.0) as usize).collect();
    let angles: BTreeSet<usize> = draws.iter().map(|d| (d[3] / 180.0 * 64.0) as usize).collect();
    assert_eq!((slices.len(), angles.len()), (64, 64));
    assert_eq!(draws.iter().filter(|d| d[1] == 0.0).count(), 32);
    // Far beyond the length of one sequence there are still new points.
    let far = |i: usize| values(&file.draw(Split::Train, i, 0).unwrap())[0];
    assert_ne!(far(3), far(3 + (1 << 16)));
}

#[test]
fn a_latin_hypercube_is_even_and_refuses_to_grow() {
    let file = with(&["samples.method=latin-hypercube", "samples.train=10"]);
    for place in [0, 3] {
        let (low, width) = [(0.5, 1.0), (0.0, 180.0)][usize::from(place == 3)];
        let slices: BTreeSet<usize> =
            (0..10).map(|i| ((values(&file.draw(Split::Train, i, 0).unwrap())[place] - low) / width * 10.0) as usize).collect();
        assert_eq!(slices.len(), 10);
    }
    let e = file.draw(Split::Train, 10, 0).unwrap_err().to_string();
    assert!(e.contains("latin-hypercube") && e.contains("sobol"), "{e}");
    let old = file.samples().unwrap();
    let grown = with(&["samples.method=latin-hypercube", "samples.train=11"]).samples().unwrap();
    assert!(grown.check_extends(&old).is_err() && old.check_extends(&old).is_ok());
    let sobol = |n: usize| with(&[&format!("samples.train={n}")]).samples().unwrap();
    assert!(sobol(20).check_extends(&sobol(10)).is_ok());
    assert!(sobol(10).check_extends(&old).is_err(), "another method gives other cases");
}

#[test]
fn unknown_keys_name_path_line_and_the_nearest_word() {
    let case = CaseFile::parse(&PLATE.replace("nu = 0.3", "nuu = 0.3"), "case.toml").unwrap().nominal().unwrap();
    let plate = case.table("materials").table("plate").unwrap();
    plate.positive("E").unwrap();
    let missing = plate.f64("nu").unwrap_err().to_string();
    assert!(missing.starts_with("case.toml:9: `materials.plate.nu` is missing"), "{missing}");
    assert_eq!(plate.finish().unwrap_err().to_string(), "case.toml:11: unknown key `materials.plate.nuu`\n  hint: did you mean `nu`?");
    // finish on the case sees top-level keys and every table that was read.
    case.table("mesh").claim(&["size", "hole"]);
    case.claim(&["boundary"]);
    assert!(case.finish().unwrap_err().to_string().contains("materials.plate.nuu"));
    let e = error("physics = \"heat\"\nunit = \"SI\"\n[mesh]\nfile = \"a.msh\"\nscal = 2");
    assert_eq!(e, "case.toml:5: unknown key `mesh.scal`\n  hint: did you mean `scale`?");
    let case = CaseFile::parse("physics = \"heat\"\nunit = \"SI\"\n[mesh]\nfile = \"a.msh\"", "c").unwrap().nominal().unwrap();
    assert_eq!(case.finish().unwrap_err().to_string(), "c:2: unknown key `unit`\n  hint: did you mean `units`?");
    let case = CaseFile::parse("physics = \"heat\"\nplane = 1\n[mesh]\nfile = \"a.msh\"", "c").unwrap().nominal().unwrap();
    assert!(case.finish().is_err());
    case.claim(&["plane"]);
    case.finish().unwrap();
}

#[test]
fn wrong_values_are_named() {
    let head = "physics = \"heat\"\n[mesh]\nfile = \"a.msh\"\n";
    for (text, expected) in [
        ("[samples]\ntrain = -1", "case.toml:5: `samples.train`: expected a whole number from 0 up, got the number -1"),
        ("[samples]\ntrain = { min = 1, max = 2 }", "case.toml:5: `samples.train`: a range cannot stand here"),
        ("[samples]\nvariants = 0", "`samples.variants`: must be at least 1"),
        ("[samples]\nmethod = \"sobel\"", "did you mean \"sobol\"?"),
        ("[time]\nend = \"later\"\nsteps = 3", "case.toml:5: `time.end`: expected a finite number, got the text \"later\""),
        ("[time]\nend = 1", "`time.steps` is missing"),
        ("[time]\nend = -1\nsteps = 3", "must lie after start"),
        ("[output]\nprecision = \"f16\"", "\"f16\" is not one of f32, f64"),
        ("[[singular]]\ncenter = [0, 0]\nradius = 0", "`singular.0.radius`: must be above 0, got 0"),
        ("[k]\nv = { min = 3, max = 2 }", "max = 2 lies below min = 3"),
        ("[k]\nv = { min = 0, mx = 2 }", "case.toml:5: unknown key `k.v.mx`\n  hint: did you mean `max`?"),
        ("[k]\nv = { min = 0, max = 2, scale = \"log\" }", "needs min above 0"),
        ("[k]\nv = { min = 0, max = 2, nominal = 3 }", "3 lies outside 0 .. 2"),
        ("[k]\nv = { min = 0, max = 2, per = \"case\" }", "\"case\" is not one of base, variant"),
        ("[k]\nv = [1, { choice = [] }]", "`k.v.1.choice`: expected a list of one or more"),
        ("[k]\nv = { choice = [1, 2], nominal = 3 }", "is not in the list"),
        ("a = 1\na = 2", "case.toml:5: not valid TOML (column 1)"),
    ] {
        let e = error(&format!("{head}{text}"));
        assert!(e.contains(expected), "{text}\n{e}");
    }
    assert!(error("physics = \"heat\"").contains("names neither `generator` nor `file`"));
    assert!(error("physics = \"heat\"\n[mesh]\ngenerator = \"plate-hol\"").contains("did you mean \"plate-hole\"?"));
    assert!(error("[mesh]\nfile = \"a.msh\"").contains("`physics` is missing"));
    assert!(error(&format!("units = \"mm\"\n{head}")).contains("is not one of SI, mm-N-s-MPa"));
    let case = CaseFile::parse(&format!("boundary = 3\nmaterials = 4\n{head}"), "c").unwrap().nominal().unwrap();
    assert!(case.table("materials").table("all").unwrap().f64("E").is_err());
    assert!(case.table("materials").finish().unwrap_err().to_string().starts_with("c:2: `materials`: expected a table"));
    assert!(case.tables("boundary")[0].string("tag").unwrap_err().to_string().contains("expected a list of tables, got the number 3"));
}

#[test]
fn set_changes_values_and_keeps_comments() {
    let file =
        with(&["boundary.1.traction.angle=30", "mesh.size = 0.03", "mesh.hole.x={ min = 0.6, max = 0.8 }", "materials.plate.E.max=1e10"]);
    let case = file.nominal().unwrap();
    assert_eq!(case.table("mesh").f64("size").unwrap(), 0.03);
    assert_eq!(case.tables("boundary")[1].table("traction").unwrap().f64("angle").unwrap(), 30.0);
    assert_eq!(case.params.len(), 3);
    assert!((case.params[0].value - 0.7).abs() < 1e-15);
    assert!(file.text().contains("tag = \"right\"   # the loaded edge") && file.text().contains("traction.angle = 30"), "{}", file.text());
    // The text is the same case.
    let again = CaseFile::parse(&file.text(), "case.toml").unwrap();
    assert_eq!(again.draw(Split::Test, 3, 1).unwrap().params, file.draw(Split::Test, 3, 1).unwrap().params);
    // Words need no quotes, new tables are made, lists are counted from 0.
    let file = with(&["mesh.hole.shape=polygon", "model.kind=meshgraphnet-global", "boundary.0.displacement.1=0.5", "training.steps=5"]);
    let case = file.nominal().unwrap();
    assert_eq!(case.table("model").string("kind").unwrap(), "meshgraphnet-global");
    assert_eq!(case.tables("boundary")[0].exprs("displacement").unwrap()[1].is_constant(), Some(0.5));
    assert_eq!(CaseFile::parse(&file.text(), "c").unwrap().nominal().unwrap().table("training").usize("steps").unwrap(), 5);
    // What --set wrote is named as such.
    let case = with(&["materials.plate.mu=0.2"]).nominal().unwrap();
    let material = case.table("materials").table("plate").unwrap();
    material.claim(&["E", "nu"]);
    assert_eq!(
        material.finish().unwrap_err().to_string(),
        "--set materials.plate.mu=0.2: unknown key `materials.plate.mu`\n  hint: did you mean `nu`?"
    );
}

#[test]
fn set_refuses_what_it_cannot_do() {
    for (assignment, expected) in [
        ("mesh.size", "there is no `=`"),
        ("mesh..size=3", "is not a key path"),
        ("mesh.size=", "no value"),
        ("mesh.size=[1", "not valid TOML"),
        ("boundary.7.tag=a", "`7` is no place in a list of 2"),
        ("boundary.right.tag=a", "`right` is no place in a list of 2"),
        ("seed.x=3", "lies within the value 7"),
        ("boundary.0.displacement.x=1", "no place in a list of 2"),
    ] {
        let mut file = plate();
        let e = file.set(assignment).unwrap_err().to_string();
        assert!(e.starts_with(&format!("--set {assignment}: ")) && e.contains(expected), "{e}");
        assert_eq!(file.text(), PLATE);
        assert_eq!(file.nominal().unwrap().params, plate().nominal().unwrap().params);
    }
}

#[test]
fn the_resolved_case_writes_out_defaults_and_reads_back() {
    let file = plate();
    let case = file.draw(Split::Valid, 1, 1).unwrap();
    let hole = case.table("mesh").table("hole").unwrap();
    hole.f64_or("ligament", 0.12).unwrap();
    case.tables("boundary")[1].bool_or("roller", false).unwrap();
    case.table("discretisation").choice_or("solver", &["direct", "cg"], 0).unwrap();
    let text = case.to_toml();
    let back = CaseFile::parse(&text, "resolved").unwrap().nominal().unwrap();
    assert!(back.params.is_empty());
    let hole_back = back.table("mesh").table("hole").unwrap();
    assert_eq!(hole_back.f64("x").unwrap(), case.params[0].value);
    assert_eq!(hole_back.f64("ligament").unwrap(), 0.12);
    assert!(!back.tables("boundary")[1].bool("roller").unwrap());
    assert_eq!(back.table("discretisation").string("solver").unwrap(), "direct");
    assert_eq!(back.table("output").string("precision").unwrap(), "f32");
    assert_eq!(back.to_toml(), case.to_toml(), "{text}");
    // With ranges kept, it is still the same file.
    let kept = CaseFile::parse(&file.to_toml(&case), "kept").unwrap();
    assert_eq!(kept.draw(Split::Valid, 1, 1).unwrap().params, case.params);
    assert!(file.to_toml(&case).contains("ligament = 0.12"));
    assert!(file.to_toml(&case).contains("E = { min = 1e9, max = 1e11, scale = \"log\" }"), "{}", file.to_toml(&case));
}

#[test]
fn cases_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(CaseFile, Case, Table, Expr)>();
}

#[test]
fn time_grid_hits_its_end() {
    let text = "physics = \"heat\"\n[mesh]\nfile = \"a.msh\"\n[time]\nend = 0.3\nsteps = 3";
    let time = CaseFile::parse(text, "c").unwrap().nominal().unwrap().time.unwrap();
    let times = time.times();
    assert_eq!((times.len(), times[0], times[3], time.theta), (4, 0.0, 0.3, 1.0));
}

#[test]
fn geo_files_take_parameters() {
    let text = "physics = \"heat\"\n[mesh]\nfile = \"a.geo\"\norder = 2\nparameters = { r = { min = 1, max = 3 }, h = 0.5 }";
    let file = CaseFile::parse(text, "c").unwrap();
    let MeshSpec::Geo { parameters, order, scale, .. } = file.nominal().unwrap().mesh else { panic!("not a .geo") };
    assert_eq!((parameters, order, scale), (vec![("r".into(), 2.0), ("h".into(), 0.5)], 2, 1.0));
    assert_eq!(file.ranges().unwrap()[0].per, Per::Base);
}

/// Everything that can be done with a text without knowing it.
fn exercise(text: &str, assignment: &str) {
    let Ok(mut file) = CaseFile::parse(text, "any") else { return };
    let _ = file.set(assignment);
    let _ = (file.ranges(), file.samples(), file.warnings());
    for case in [file.nominal(), file.draw(Split::Test, 5, 3)].into_iter().flatten() {
        let _ = generators::build(&case);
        let _ = (case.finish(), case.tables("boundary").len(), case.table("materials").keys());
        let _ = CaseFile::parse(&case.to_toml(), "written").unwrap();
    }
}

/// Assignments of odd kinds.
fn assignments() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z.0-9=]{0,16}",
        "(mesh|mesh.hole|mesh.hole.x|boundary|boundary.0|boundary.1.traction|samples|materials.plate.E|time)(.min|.choice|.0|.k)?=(-3|1e300|nan|[a-z]{1,3}|\\[\\]|\\[\\{\\}\\]|\\{\\}|\\{min=0,max=1\\}|\\{choice=\\[1,a\\]\\}|true)",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_text_panics(text in "([a-z]{1,3}|[\\[\\]{}=.,\"'#\n ]|-?[0-9]{1,3}|min|max|choice|mesh|samples|physics = \"heat\"\n|per){0,40}", set in assignments()) {
        exercise(&text, &set);
    }

    #[test]
    fn no_mutation_of_a_case_panics(at in 0..PLATE.len(), len in 0..20usize, new in "([\\[\\]{}=.,\"#\n ]|min|max|nan|1e400|-1|[a-z]{1,2}){0,6}", set in assignments()) {
        let end = (at + len).min(PLATE.len());
        let text = format!("{}{new}{}", &PLATE[..at], &PLATE[end..]);
        exercise(&text, &set);
    }
}
