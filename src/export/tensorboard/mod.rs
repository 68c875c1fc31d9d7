//! A run for TensorBoard: files of events that are a fold over its journal, written afterwards or while the run goes on.

mod board;
mod hparams;
mod live;
mod proto;
mod record;

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

pub use self::board::Board;
pub use self::live::Live;
use self::record::Records;
use crate::run::RunFolder;
use crate::run::journal::Tail;

/// What such files are called, which is how TensorBoard knows them; it reads those of a folder in the order of their names.
fn file_name(time: f64, run: &str, number: usize) -> String {
    format!("events.out.tfevents.{:010}.zonas.{run}.{number:04}", time.max(0.0) as u64)
}

/// Writes the whole run into a folder, which is made where it is missing; a file of the same run there is replaced. The file's
/// path, how many records there are, and why there are no pictures of cells where there are none.
///
/// # Errors
/// A folder or a file that can't be written.
pub fn write(folder: &RunFolder, to: &Path) -> io::Result<(PathBuf, usize, Option<String>)> {
    std::fs::create_dir_all(to)?;
    let (mut board, mut tail) = (Board::default(), Tail::events(folder));
    let mut records: Option<Records> = None;
    let (mut path, mut count) = (to.to_path_buf(), 0);
    loop {
        let events = tail.read();
        if events.is_empty() {
            return Ok((path, count, board.no_picture.map(|e| e.to_string())));
        }
        let found: Vec<_> = events.iter().flat_map(|e| board.take(e, true)).collect();
        if records.is_none() {
            path = to.join(file_name(events[0].time, &folder.name(), 0));
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
            records = Some(Records::begin(file, events[0].time)?);
        }
        if let Some(records) = &mut records {
            records.add(&found)?;
            count += found.len();
        }
    }
}
