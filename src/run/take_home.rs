//! Files of tensors that leave the run: safetensors whose header says what is needed to use them.

use std::collections::{BTreeMap, HashMap};

use safetensors::SafeTensorError;
use safetensors::tensor::{View, serialize};

/// Name and version of the program.
const PROGRAM: &str = concat!("zonas ", env!("CARGO_PKG_VERSION"));

/// What a file is and came from: entries of the header's `__metadata__`, texts all of them, lists as JSON.
pub type About = BTreeMap<String, String>;

/// What every such file says; `space` is the search space, or how the network is stacked.
pub fn about(run: &str, space: &str) -> About {
    [("format", "pt"), ("program", PROGRAM), ("run", run), ("space", space)]
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .into()
}

/// The file's bytes: the same for the same tensors and words, in the order of names.
///
/// # Errors
/// Tensors that are none.
pub fn file<V: View>(tensors: BTreeMap<String, V>, about: &About) -> Result<Vec<u8>, SafeTensorError> {
    let bytes = serialize(tensors, None::<HashMap<String, String>>)?;
    // The library writes a header's words in an order that changes from run to run; so they are put in here, first.
    let length = bytes.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let length = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let header = bytes.get(8..8 + length).ok_or(SafeTensorError::InvalidHeaderLength)?;
    let entries = std::str::from_utf8(header).map_err(SafeTensorError::InvalidHeader)?.trim_end();
    let entries = entries.strip_prefix('{').ok_or(SafeTensorError::InvalidHeaderLength)?;
    let comma = if entries.starts_with('}') { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{}{comma}{entries}", serde_json::json!(about));
    // Numbers stay aligned.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat())
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    #[test]
    fn a_file_is_read_back_with_its_words() {
        let data: Vec<u8> = [1.0f32, 2.0, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = || TensorView::new(Dtype::F32, vec![3], &data).unwrap();
        let mut said = about("a \"run\" — é", "darts");
        said.insert("mean".into(), "[0.5]".into());
        for names in [&["b", "a"][..], &[]] {
            let bytes = file(names.iter().map(|n| (n.to_string(), view())).collect(), &said).unwrap();
            let (length, read) = SafeTensors::read_metadata(&bytes).unwrap();
            assert!((length + 8).is_multiple_of(8));
            let words: About = read.metadata().clone().unwrap().into_iter().collect();
            assert_eq!(words, said);
            let read = SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(read.len(), names.len());
            assert!(names.iter().all(|n| read.tensor(n).unwrap().data() == data));
        }
    }
}
