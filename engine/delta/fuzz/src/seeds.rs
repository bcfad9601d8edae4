//! Copies the commits of the fixtures, which real engines wrote, to `corpus/log/`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.is_dir() {
            copy(&path, to)?;
        } else if path.extension().is_some_and(|extension| extension == "json")
            && path.parent().is_some_and(|folder| folder.ends_with("_delta_log"))
        {
            let name = path.to_string_lossy().replace(['/', '.'], "_");
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let to = Path::new("corpus/log");
    fs::create_dir_all(to)?;
    copy(Path::new("../../../testdata/delta"), to)
}
