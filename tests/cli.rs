//! Transcripts: what is typed, what is printed, and the exit status (`? 1`).
//!
//! `TRYCMD=overwrite cargo test --test cli` writes the output anew; read the difference.

#[test]
fn transcripts_hold() {
    trycmd::TestCases::new()
        .case("tests/cli/*.md")
        .case("README.md")
        .case("scenarios/mistake-*/README.md");
}
