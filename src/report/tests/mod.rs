mod made_up;

use std::path::PathBuf;
use std::time::Instant;

use super::digest::Digest;
use super::figures::{Figure, View};

fn gallery(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join("metawrk-gallery").join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// For looking at: `cargo test --lib gallery -- --ignored`.
#[test]
#[ignore = "for a person to look at"]
fn draws_a_gallery() {
    let mut unverified = made_up::metastable();
    unverified.faults[0].to = None;
    for (name, story) in [
        ("metastable", made_up::metastable()),
        ("recovered", made_up::recovered()),
        ("unverified", unverified),
        ("empty", made_up::empty()),
        ("many", made_up::many(1_000_000)),
    ] {
        let begin = Instant::now();
        let digest = Digest::of(&story);
        println!("{name} digest {:?}", begin.elapsed());
        let view = View::new(&story, &digest);
        for figure in Figure::all(&story) {
            let begin = Instant::now();
            let (png, svg) = (figure.png(&view).unwrap(), figure.svg(&view).unwrap());
            println!("{name}/{}: png {} svg {} {:?}", figure.stem(), png.len(), svg.len(), begin.elapsed());
            std::fs::write(gallery(name).join(figure.stem() + ".png"), png).unwrap();
            std::fs::write(gallery(name).join(figure.stem() + ".svg"), svg).unwrap();
        }
        println!("{name} in all {:?}", begin.elapsed());
    }
}
