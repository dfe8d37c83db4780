use super::*;
use crate::State;
use crate::testing::{disc, of_states, rectangle, scalar};

fn close(a: Option<f64>, b: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() < 1e-12 * b.abs().max(1.0))
}

/// Two cases on four nodes, steady.
#[test]
fn steady_values_by_hand() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let (t1, p1) = (scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 3.0]]), scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 5.0]]));
    let (t2, p2) = (scalar(&mesh, "u", &[&[10.0, 10.0, 14.0, 14.0]]), scalar(&mesh, "u", &[&[11.0, 10.0, 14.0, 14.0]]));
    let e = evaluate(&[(&t1, &p1), (&t2, &p2)]);
    let m = &e.test["u"];
    // Case 1: error 4, variance 5; case 2: error 1, variance 16. Together: mean 6.75, variance 5 + 16 + 4 * (5.25^2 + 5.25^2).
    let (a, b) = (1.0 - 4.0 / 5.0, 1.0 - 1.0 / 16.0);
    assert!(close(m.r2, (a + b) / 2.0) && close(m.r2_min, a), "{m:?}");
    assert!(close(m.r2_pooled, 1.0 - 5.0 / (21.0 + 8.0 * 5.25 * 5.25)));
    assert!(
        close(m.relative_l2, ((4.0f64 / 14.0).sqrt() + (1.0f64 / 592.0).sqrt()) / 2.0) && close(m.relative_l2_max, (4.0f64 / 14.0).sqrt())
    );
    assert!(close(m.rmse_pooled, (5.0f64 / 8.0).sqrt()) && close(m.rmse_step_mean, (1.0 + 0.5) / 2.0));
    let at = m.max_error_at.as_ref().unwrap();
    assert!(close(m.max_error, 2.0) && (at.case, at.step, at.node) == (0, 0, 3) && at.point == [1.0, 1.0]);
    // Peaks: 3 against 5, 14 against 14; p90 lies nine tenths of the way up.
    assert!(close(m.peak_error_median, 1.0 / 3.0) && close(m.peak_error_p90, 0.9 * 2.0 / 3.0));
    // On the left edge (nodes 0 and 2): 2 against 2, 14 against 14.
    assert!(close(m.peak_error_on["left"].median, 0.0));
    assert!(close(m.horizons["1"].r2, (a + b) / 2.0) && m.horizons["50"] == m.horizons["all"]);
    assert_eq!(m.unit, "K");
}

#[test]
fn discs_are_left_out_and_unmasked_keeps_them() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let mut t = scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 100.0]]);
    t.setup.singular = vec![disc(1.0, 1.0, 0.1)];
    let p = scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 50.0]]);
    let e = evaluate(&[(&t, &p)]);
    let m = &e.test["u"];
    assert!(close(m.r2, 1.0) && close(m.r2_pooled, 1.0) && close(m.peak_error_median, 0.0) && close(m.max_error, 0.0));
    assert!(m.r2_unmasked.unwrap() < 0.7 && m.r2_unmasked == m.r2_pooled_unmasked && m.r2_unmasked == m.r2_min_unmasked);
}

#[test]
fn the_initial_state_does_not_count_and_horizons_differ() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let t = scalar(&mesh, "temperature", &[&[5.0; 4], &[5.0, 6.0, 7.0, 8.0], &[5.0, 7.0, 9.0, 11.0]]);
    let p = scalar(&mesh, "temperature", &[&[99.0; 4], &[5.0, 6.0, 7.0, 8.0], &[5.0, 7.0, 9.0, 13.0]]);
    let e = evaluate(&[(&t, &p)]);
    let rise = &e.test["temperature_rise"];
    // Rises: 0 1 2 3 and 0 2 4 6, with one error of 2 at the end.
    assert!(close(rise.relative_l2, (4.0f64 / 70.0).sqrt()) && close(rise.peak_error_median, 2.0 / 6.0));
    assert!(close(rise.horizons["1"].max_error, 0.0) && close(rise.horizons["all"].max_error, 2.0));
    assert!(close(rise.rmse_step_mean, 0.5) && close(rise.rmse_pooled, (4.0f64 / 8.0).sqrt()));
    let at = rise.max_error_at.as_ref().unwrap();
    assert_eq!((at.step, at.time, at.node), (2, 2.0, 3));
    assert!(close(e.test["temperature"].max_error, 2.0));
}

#[test]
fn vectors_are_pooled_over_components_about_each_mean() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let state = |v: Vec<f64>| vec![State { time: 0.0, fields: vec![Field::vector("displacement", "m", Location::Node, 2, v)] }];
    let t = of_states(&mesh, state(vec![0.0, 100.0, 0.0, 100.0, 2.0, 100.0, 2.0, 100.0]));
    let p = of_states(&mesh, state(vec![0.0, 100.0, 0.0, 100.0, 2.0, 100.0, 5.0, 104.0]));
    let m = &evaluate(&[(&t, &p)]).test["displacement"];
    assert!(close(m.r2, 1.0 - 25.0 / 4.0) && close(m.max_error, 5.0) && close(m.rmse_pooled, (25.0f64 / 8.0).sqrt()), "{m:?}");
}

#[test]
fn von_mises_follows_from_predicted_stress() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let stress = |s: f64| {
        Field::symmetric_tensor("stress", "Pa", Location::Node, 2, (0..4).flat_map(|i| [s * f64::from(i), 0.0, 0.0, 0.0]).collect())
    };
    let mut t = of_states(&mesh, vec![State { time: 0.0, fields: vec![stress(1.0)] }]);
    t.states[0].fields.push(Field::scalar("von_mises", "Pa", Location::Node, vec![0.0, 1.0, 2.0, 3.0]));
    let p = of_states(&mesh, vec![State { time: 0.0, fields: vec![stress(-2.0)] }]);
    let m = &evaluate(&[(&t, &p)]).test["von_mises"];
    assert!(close(m.peak_error_median, 1.0) && close(m.relative_l2, 1.0));
}

#[test]
fn what_has_no_value_is_null_never_nan() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let zero = scalar(&mesh, "u", &[&[0.0; 4]]);
    let m = &evaluate(&[(&zero, &zero)]).test["u"];
    assert_eq!((m.r2, m.r2_pooled, m.r2_min, m.relative_l2, m.peak_error_median), (None, None, None, None, None));
    assert_eq!(m.rmse_pooled, Some(0.0));
    let one = scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 3.0]]);
    let broken = scalar(&mesh, "u", &[&[0.0, f64::NAN, 2.0, 3.0]]);
    // A broken prediction must not hide behind good ones.
    let m = evaluate(&[(&one, &one), (&one, &broken)]);
    let u = &m.test["u"];
    assert_eq!((u.r2, u.r2_min, u.relative_l2, u.rmse_pooled, u.max_error), (None, None, None, None, None));
    assert_eq!(u.max_error_at.as_ref().map(|a| (a.case, a.node)), Some((1, 1)));
    assert!(!serde_json::to_string(&m).unwrap().contains("NaN"));
    let short = scalar(&mesh, "u", &[&[0.0; 4], &[1.0; 4]]);
    let long = scalar(&mesh, "u", &[&[0.0; 4], &[1.0; 4], &[2.0; 4]]);
    assert_eq!(evaluate(&[(&long, &short)]).test["u"].rmse_pooled, None);
    assert!(evaluate(&[]).test.is_empty());
}

#[test]
fn every_metric_is_a_key_with_a_definition() {
    let mesh = rectangle(1.0, 1.0, 1, 1);
    let t = scalar(&mesh, "u", &[&[0.0, 1.0, 2.0, 3.0]]);
    let p = scalar(&mesh, "u", &[&[0.0, 1.0, 2.5, 3.0]]);
    let e = evaluate(&[(&t, &p)]);
    let json = serde_json::to_value(&e).unwrap();
    for metric in METRICS {
        assert!(json["definitions"][metric.name].as_str().unwrap().len() > 20);
        assert_eq!(json["test"]["u"][metric.name].as_f64(), (metric.of)(&e.test["u"]), "{}", metric.name);
        assert!((metric.of)(&e.test["u"]).is_some(), "{}", metric.name);
    }
    for key in ["1", "50", "all"] {
        assert!(json["test"]["u"]["horizons"][key]["r2"].is_number());
    }
    assert!(json["baselines"].is_object());
    assert_eq!(serde_json::from_value::<FamilyEvaluation>(json).unwrap(), e);
}
