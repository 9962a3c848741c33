//! Fetches the browser assets of GraphiQL from the npm registry, so that the binary carries them and needs no network later.
//!
//! Without npm, or without a network, the build goes on and the page says how to get it.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What is embedded: the name under `/graphiql/`, and the file among the packages.
const ASSETS: [(&str, &str); 4] = [
    ("react.js", "react/umd/react.production.min.js"),
    ("react-dom.js", "react-dom/umd/react-dom.production.min.js"),
    ("graphiql.js", "graphiql/graphiql.min.js"),
    ("graphiql.css", "graphiql/graphiql.min.css"),
];

fn main() -> io::Result<()> {
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        println!("cargo:rerun-if-changed=web/{file}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let folder = out.join("graphiql");
    if let Err(reason) = fetch(&out, &folder) {
        println!("cargo:warning=GraphiQL is not embedded: {reason}");
    }
    fs::write(out.join("graphiql_assets.rs"), listing(&folder))
}

/// Fills `folder`, unless it holds the assets of this very lock file already.
fn fetch(out: &Path, folder: &Path) -> io::Result<()> {
    let lock = fs::read_to_string("web/package-lock.json")?;
    let stamp = folder.join("package-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|known| known == lock) {
        return Ok(());
    }
    let packages = out.join("web");
    let _ = fs::remove_dir_all(folder);
    let _ = fs::remove_dir_all(&packages);
    fs::create_dir_all(folder)?;
    fs::create_dir_all(&packages)?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(Path::new("web").join(file), packages.join(file))?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--fetch-timeout=30000"])
        .current_dir(&packages)
        .output()?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stderr).lines().find(|line| line.contains("error")).unwrap_or("npm ci failed").to_owned();
        return Err(io::Error::other(said));
    }
    for (name, file) in ASSETS {
        fs::copy(packages.join("node_modules").join(file), folder.join(name))?;
    }
    fs::write(stamp, lock)?;
    fs::remove_dir_all(&packages)
}

/// A list of names and contents; empty unless all are there.
fn listing(folder: &Path) -> String {
    let paths = ASSETS.map(|(name, _)| (name, folder.join(name)));
    if !paths.iter().all(|(_, path)| path.is_file()) || !folder.join("package-lock.json").is_file() {
        return "&[]\n".to_owned();
    }
    let entries = paths.map(|(name, path)| format!("    ({name:?}, include_bytes!({:?})),\n", path.display().to_string()));
    format!("&[\n{}]\n", entries.concat())
}
