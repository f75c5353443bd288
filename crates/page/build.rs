//! Takes the built page (`web/dist`, made by `make page`) into the program, or a page that says that it was built without.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const WITHOUT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>backupd</title>\n\
<p>This backupd was built without its page. In its source, <code>make page</code> builds the page (Node is needed), \
and <code>cargo build</code> takes it in. Everything else works: <a href=\"/api/docs\">the API</a>, and <code>backupctl</code>.</p>\n\
<p lang=\"fr\">Ce backupd a été construit sans sa page. Dans ses sources, <code>make page</code> la construit (il faut Node), \
et <code>cargo build</code> l’intègre. Tout le reste fonctionne.</p>\n</html>\n";

/// Copies the files, so that what is taken in does not change under the compiler; their names, with where they lie then.
fn copy(from: &Path, to: &Path, above: &str, found: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, target) = (format!("{above}{name}"), to.join(&name));
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, &format!("{path}/"), found)?;
        } else {
            fs::copy(entry.path(), &target)?;
            found.insert(path, target);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = root.join("../../web/dist");
    println!("cargo:rerun-if-env-changed=REQUIRE_PAGE");
    println!("cargo:rerun-if-changed={}", built.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let ui = out.join("ui");
    if ui.exists() {
        fs::remove_dir_all(&ui)?;
    }
    let mut found = BTreeMap::new();
    if built.join("index.html").exists() {
        copy(&built, &ui, "", &mut found)?;
    } else if env::var_os("REQUIRE_PAGE").is_some() {
        return Err(io::Error::other("REQUIRE_PAGE is set and web/dist is not there: `make page` builds it"));
    } else {
        println!("cargo:warning=built without the web page: `make page` builds it");
        fs::create_dir_all(&ui)?;
        fs::write(ui.join("index.html"), WITHOUT)?;
        found.insert("index.html".to_owned(), ui.join("index.html"));
    }
    let mut list = String::from("/// The files by their paths, sorted.\nstatic FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &found {
        let _ = writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    list.push_str("];\n");
    fs::write(out.join("files.rs"), list)
}
