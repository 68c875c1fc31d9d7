//! `zonas man`: manual pages.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;

#[derive(Args, Debug)]
pub struct ManArguments {
    /// Folder for the pages, `zonas.1` and one for each command; it is made if it is missing, and pages that are there are
    /// replaced.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(a: &ManArguments) -> eyre::Result<Exit> {
    let shown = a.folder.display();
    if a.folder.exists() && !a.folder.is_dir() {
        return Err(Usage(format!("{shown} is no folder; name one for the pages")).into());
    }
    let written =
        std::fs::create_dir_all(&a.folder).and_then(|()| clap_mangen::generate_to(super::command(), &a.folder));
    written.map_err(|e| eyre::eyre!("can't write manual pages to {shown}: {e}; choose another folder"))?;
    Output::stdout().line(&format!("wrote zonas.1 and a page for each command to {shown}"))?;
    Ok(Exit::Done)
}
