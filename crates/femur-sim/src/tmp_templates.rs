#[test]
fn templates() {
    for t in ["plate-hole", "plate-heat", "heat-bracket", "cantilever-3d"] {
        let f = crate::case::CaseFile::load(std::path::Path::new(&format!("../femur/templates/{t}.toml"))).unwrap();
        let c = f.nominal().unwrap();
        println!("{t} {:?}\n{:?}", c.params, f.warnings());
        for s in crate::case::Split::ALL { for b in 0..30 { f.draw(s, b, 1).unwrap(); } }
        if t == "plate-hole" { println!("{}", f.draw(crate::case::Split::Train, 3, 0).unwrap().to_toml()); println!("=====\n{}", f.to_toml(&c)); }
    }
    println!("{}", crate::case::CaseFile::load(std::path::Path::new("/work/shared/design/case-sketch.toml")).unwrap().nominal().unwrap().to_toml());
}
