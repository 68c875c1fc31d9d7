use std::path::Path;
use std::sync::Arc;

use super::{DataError, Dataset, embedded, idx};

/// How to read what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// For sets without a test split: which pictures are held out (stream `hold_out`).
    pub seed: u64,
    /// For folders of pictures: `Some(side)` scales each picture's shorter side to `side` and takes the middle square;
    /// `None` refuses pictures that are not all of one size.
    pub size: Option<u32>,
}

/// Open `embedded`, or whatever is at a path; the kind is found out from the content. `summary()` of the result printed
/// is a sentence that says what was found.
///
/// # Errors
/// Nothing there, nothing that can be read, or something wrong with it: see [`DataError`].
pub fn open(source: &str, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    if source == "embedded" {
        return Ok(Arc::new(embedded::open()?));
    }
    let path = Path::new(source);
    std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
    if idx::is_here(path) {
        return Ok(Arc::new(idx::open(path, options.seed)?));
    }
    Err(DataError::Unrecognised { path: path.to_owned(), found: "not a data set".into() })
}
