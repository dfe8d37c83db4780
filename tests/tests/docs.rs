//! Every page that the book's summary names is there, and no page links to one that is not.

use std::path::Path;

fn links(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        rest = &rest[at + 2..];
        let end = rest.find(')').unwrap_or(0);
        let link = &rest[..end];
        if link.ends_with(".md") && !link.contains("://") {
            out.push(link.to_string());
        }
    }
    out
}

#[test]
fn links_of_the_book_lead_somewhere() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src"));
    let mut pages = vec![src.join("SUMMARY.md")];
    pages.extend(links(&std::fs::read_to_string(src.join("SUMMARY.md")).unwrap()).iter().map(|l| src.join(l)));
    assert!(pages.len() > 10);
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        for link in links(&text) {
            assert!(page.parent().unwrap().join(&link).exists(), "{} links to {link}", page.display());
        }
    }
}
