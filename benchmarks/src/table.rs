//! Rows as a Markdown table for people.

use serde_json::Value;

/// The table's head.
pub const HEAD: &str = "| work | threads | femur | peers | best / femur | target | met |\n|---|---|---|---|---|---|---|";

/// One row; the best peer stands first.
pub fn row(row: &Value) -> String {
    let mut peers: Vec<(&str, Option<f64>)> =
        row["peers"].as_object().into_iter().flatten().map(|(name, s)| (name.as_str(), s.as_f64())).collect();
    peers.sort_by(|a, b| a.1.unwrap_or(f64::INFINITY).total_cmp(&b.1.unwrap_or(f64::INFINITY)));
    let peers: Vec<String> = peers.iter().map(|(name, s)| format!("{name} {}", s.map_or_else(|| "-".into(), seconds))).collect();
    let met = match row["met"].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    format!(
        "| {}: {} | {} | {} | {} | {} | {} | {met} |",
        row["work"].as_str().unwrap_or_default(),
        row["size"].as_str().unwrap_or_default(),
        row["threads"],
        row["ours_s"].as_f64().map_or_else(|| "-".into(), seconds),
        if peers.is_empty() { "-".into() } else { peers.join(", ") },
        row["ratio"].as_f64().map_or_else(|| "-".into(), |r| format!("{r:.2}")),
        row["target"].as_str().unwrap_or_default(),
    )
}

fn seconds(s: f64) -> String {
    if s < 0.1 { format!("{:.3} ms", 1e3 * s) } else { format!("{s:.3} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_best_peer_first_and_absent_ones_last() {
        let line = json!({"work": "direct", "size": "10 dofs", "threads": 1, "ours_s": 0.02, "peers": {"a": 0.5, "b": null, "c": 0.04},
            "ratio": 2.0, "target": "best peer / femur >= 1.00", "met": true});
        let expected = "| direct: 10 dofs | 1 | 20.000 ms | c 40.000 ms, a 0.500 s, b - | 2.00 | best peer / femur >= 1.00 | yes |";
        assert_eq!(row(&line), expected);
    }
}
