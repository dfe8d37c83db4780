use super::*;
use crate::case::CaseFile;
use crate::{Series, State, Trajectory, testing};
use femur_mesh::{Field, Location};

fn text(lines: &str) -> String {
    format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[expect]\n{lines}")
}

fn check(lines: &str, run: &Trajectory) -> Vec<Checked> {
    let case = CaseFile::parse(&text(lines), "c").unwrap().nominal().unwrap();
    case.expectations().unwrap().iter().map(|e| e.check(run)).collect()
}

fn got(lines: &str, run: &Trajectory) -> Vec<f64> {
    check(lines, run).into_iter().map(|c| c.got.unwrap_or_else(|e| panic!("{e}"))).collect()
}

/// Two squares side by side on [0, 2] x [0, 1]; at time t the field u is (x + t, -4 y), c numbers the cells, and the series d is a sine.
fn run() -> Trajectory {
    let mesh = testing::rectangle(2.0, 1.0, 2, 1);
    let state = |t: f64| {
        let u = mesh.points.chunks(2).flat_map(|p| [p[0] + t, -4.0 * p[1]]).collect();
        let c = Field::scalar("c", "1", Location::Cell, vec![1.0, 2.0]);
        State { time: t, fields: vec![Field::vector("u", "m", Location::Node, 2, u), c] }
    };
    let mut run = testing::of_states(&mesh, (0..4).map(|k| state(f64::from(k))).collect());
    let times: Vec<f64> = (0..=1000).map(|k| 0.01 * f64::from(k)).collect();
    let values = times.iter().map(|t| 3.0 + (2.0 * std::f64::consts::PI * 0.7 * t + 0.3).sin()).collect();
    run.log.series.push(Series { name: "d".into(), unit: "1".into(), times, values });
    run.log.series.push(Series { name: "f.y".into(), unit: "N".into(), times: vec![0.0, 3.0], values: vec![1.0, 4.0] });
    run
}

#[test]
fn measures_over_the_body() {
    let lines = r#"
        "u.x.max" = { value = 5 }
        "u.y.min" = { value = -4 }
        "u.x.mean" = { value = 4 }
        "u.max" = { value = 6.4 }
        "u.x.sum" = { value = 1, on = "left" }
        early = { quantity = "u.x.max", time = 0.25, value = 2 }
        "c.mean" = { value = 1.5 }
    "#;
    assert_eq!(got(lines, &run()), [5.0, -4.0, 4.0, 41f64.sqrt(), 6.0, 2.25, 1.5]);
}

#[test]
fn measures_at_a_point_and_over_time() {
    let lines = r#"
        "u.x" = { at = [0.5, 0.25], value = 3.5 }
        "u" = { at = [1, 1], time = 2, value = 5 }
        "u.x.amplitude" = { at = [0, 0], value = 1.5 }
        "u.x.mean" = { at = [0, 0], from = 1, value = 2 }
        "u.x.2" = { at = [0, 0], value = 1 }
        drop = { quantity = "u.y", at = [0, 0], minus_at = [0, 1], value = 4, factor = 10 }
        "c" = { at = [1.5, 0.5], value = 2 }
    "#;
    let values = got(lines, &run());
    let expected = [3.5, 5.0, 1.5, 2.0, 1.0, 40.0, 2.0];
    assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{values:?}");
}

#[test]
fn measures_of_a_series() {
    let lines = r#"
        "d.max" = { value = 4 }
        "d.midrange" = { value = 3 }
        "d.peak_to_peak" = { value = 2 }
        "d.frequency" = { value = 0.7, from = 0.5, until = 9.9 }
        strouhal = { quantity = "d.frequency", factor = 0.1, value = 0.07 }
        "d.mean" = { value = 3, until = 10 }
        "d.1" = { value = 3.3 }
        "d.last" = { value = 3.3 }
        "f.y.max" = { value = 4 }
        ratio = { quantity = "u.x.max", per = "f.y.max", power = 0.5, factor = 10, value = 25 }
    "#;
    let values = got(lines, &run());
    let sine = 3.0 + 0.3f64.sin();
    let expected = [4.0, 3.0, 2.0, 0.7, 0.07, 3.0, sine, sine, 4.0, 25.0];
    assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{values:?}");
    // The frequency is one of whole periods, so much better than the step.
    assert!((values[3] - 0.7).abs() < 1e-4, "{values:?}");
}

#[test]
fn published_values_spans_and_references() {
    let lines = r#"
        "u.x.max" = { published = 4.9, reference = 5.01, tolerance = 0.005, source = "a book", note = "coarse" }
        "u.x.min" = { published = [2.5, 3.2] }
        "u.x.mean" = { published = [4.1, 4.2], tolerance = 0.5 }
        "u.y.max" = { value = 0, tolerance = 1e-9 }
    "#;
    let checked = check(lines, &run());
    assert_eq!(checked.iter().map(Checked::holds).collect::<Vec<_>>(), [true, true, false, true]);
    let first = &checked[0].expectation;
    assert_eq!((first.value, first.published, first.reference), (5.01, Some(4.9), Some(5.01)));
    assert_eq!(first.source.as_deref(), Some("a book"));
    let span = &checked[1].expectation;
    assert!((span.value - 2.85).abs() < 1e-12 && (span.tolerance - 0.35 / 2.85).abs() < 1e-9 && span.band == Some([2.5, 3.2]));
}

#[test]
fn what_is_not_there_is_named() {
    let reason = |line: &str| check(line, &run())[0].got.clone().unwrap_err();
    assert!(reason("\"v.max\" = { value = 1 }").contains("no such field or series in the result, which has u, c, d, f.y"));
    assert!(reason("\"u.z.max\" = { value = 1 }").contains("has no such component, it has x, y"));
    assert!(reason("\"u.x.amplitude\" = { value = 1 }").contains("measure over time: give the point"));
    assert!(reason("\"u.x.max\" = { value = 1, on = \"right\" }").contains("right"));
    assert!(reason("\"c.max\" = { value = 1, on = \"left\" }").contains("one of cells"));
    assert!(reason("\"u.x\" = { value = 1, at = [5, 0] }").contains("outside the mesh"));
    assert!(reason("\"u.x\" = { value = 1, at = [5, 0, 1] }").contains("no point of a mesh of dimension 2"));
    assert!(reason("\"u.x\" = { value = 1, at = [1, 0], time = 7 }").contains("time 7 lies outside the run, 0 .. 3"));
    assert!(reason("\"u.x.frequency\" = { value = 1, at = [1, 0] }").contains("no full period"));
    assert!(reason("\"d.sum\" = { value = 1 }").contains("no measure over time"));
    assert!(reason("\"d.2000\" = { value = 1 }").contains("no entry 2000"));
    assert!(reason("\"d.x.max\" = { value = 1 }").contains("no components"));
    assert!(!check("\"v.max\" = { value = 1 }", &run())[0].holds());
}

#[test]
fn mistakes_are_named() {
    let e = |lines: &str| CaseFile::parse(&text(lines), "c").unwrap().nominal().unwrap_err().to_string();
    assert!(e("\"u.most\" = { value = 1 }").contains("c:5: `expect.\"u.most\"`: `most` is no measure"));
    assert!(e("\"u.max\" = { value = 1, tolerence = 1 }").contains("did you mean `tolerance`?"));
    assert!(e("\"u.max\" = 3").contains("expected a table"));
    assert!(e("\"u.max\" = { tolerance = 1 }").contains("value"));
    assert!(e("\"u.max\" = { value = 1, published = 1 }").contains("both `value` and `published`"));
    assert!(e("\"u.max\" = { value = 1, reference = 1 }").contains("both `value` and `reference`"));
    assert!(e("\"u.max\" = { published = [2, 1] }").contains("neither a value nor a span"));
    assert!(e("\"u\" = { value = 1, at = [] }").contains("has 0 coordinates"));
    assert!(e("\"u\" = { value = 1, at = [1, 2], on = \"left\" }").contains("both `at` and `on`"));
    assert!(e("\"u.max\" = { value = 1, minus_at = [1, 2] }").contains("without `at`"));
    assert!(e("\"u.max\" = { value = 1, time = 1, until = 2 }").contains("both `time` and"));
    assert!(e("\"u.max\" = { value = 1, from = 3, until = 2 }").contains("must lie after from = 3"));
}

#[test]
fn a_problem_says_what_it_is() {
    let problem = |lines: &str| {
        let file = CaseFile::parse(&format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n{lines}"), "c")?;
        file.nominal()?.problem()
    };
    assert_eq!(problem("").unwrap(), None);
    let read =
        problem("[problem]\ntitle = \"T\"\nlevel = \"quick\"\nrefine = [\"mesh.size=2; mesh.order=1\", \"mesh.size=1\"]").unwrap().unwrap();
    assert_eq!((read.level, read.refine.len(), read.refine[0].len()), (crate::case::Level::Quick, 2, 2));
    assert!(problem("[problem]\nlevel = \"quick\"").unwrap_err().to_string().contains("title"));
    assert!(problem("[problem]\ntitle = \"T\"\nlevle = \"quick\"").unwrap_err().to_string().contains("did you mean `level`?"));
}
