//! Copies the footers of the fixtures, which real writers wrote, to `corpus/footer/`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.is_dir() {
            copy(&path, to)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            let file = fs::read(&path)?;
            let Some((rest, tail)) = file.split_last_chunk::<8>() else { continue };
            let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
            let name = path.to_string_lossy().replace(['/', '.'], "_");
            fs::write(to.join(name), &rest[rest.len().saturating_sub(length)..])?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let to = Path::new("corpus/footer");
    fs::create_dir_all(to)?;
    copy(Path::new("../../../testdata"), to)
}
