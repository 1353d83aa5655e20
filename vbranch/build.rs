//! The built web client is embedded; its folder must exist even before it was ever built, so that
//! a Rust-only check-out compiles. `make run` builds it first.
fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=../web-client/dist");
    std::fs::create_dir_all("../web-client/dist")
}
