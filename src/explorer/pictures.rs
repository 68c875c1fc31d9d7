//! Screens of a run as pictures: one as SVG, or all as text, SVG and PNG, dark and light.

use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::compare::{self, Comparison};
use super::draw;
use super::figure::{PngError, png_scaled};
use super::forecast::{Basis, Forecast};
use super::judge::{Judged, Question};
use super::keymap::Keymap;
use super::runs::Row;
use super::state::{Size, State};
use super::study::{self, Seen, Watched};
use super::theme::{ColorDepth, Markers, Name, Theme};
use super::ui::{Hits, Tab, Ui};
use super::view::{self, Scene};
use super::{ExplorerError, Options, svg};
use crate::run::RunFolder;
use crate::study::Study;

/// Dots of a PNG for a point of the picture.
const SCALE: f32 = 1.5;

/// All that screens of a run show.
struct Gallery<'a> {
    options: &'a Options,
    state: State,
    forecast: Option<Forecast>,
    sizes: Option<(Size, Size)>,
    judged: Option<Judged>,
    rows: Vec<Row>,
    compared: Comparison,
    study: Option<Seen>,
}

impl<'a> Gallery<'a> {
    fn new(state: State, options: &'a Options) -> Gallery<'a> {
        let run = state.run.as_ref();
        let sizes = state.cut.cut.as_ref().map(|c| (Size::of(&state.full(), run), Size::of(&c.mask, run)));
        let forecast = Basis::of(&state).map(|b| b.forecast());
        let judged = Question::of(&state, options.accuracies.as_ref()).map(|q| q.answer(&state));
        Gallery {
            options,
            state,
            forecast,
            sizes,
            judged,
            rows: Vec::new(),
            compared: Comparison::default(),
            study: None,
        }
    }

    fn draw(&self, tab: Option<Tab>, size: (u16, u16), light: bool) -> Buffer {
        let depth = self.options.depth.unwrap_or(ColorDepth::True);
        let (ascii, name) = (self.options.ascii, if light { Name::Light } else { Name::Dark });
        let markers = if ascii { Markers::Ascii } else { Markers::Braille };
        let theme = Theme { depth, ascii, markers, name };
        let mut ui = Ui::new(theme.markers);
        ui.follow(&self.state);
        ui.settle(&self.state);
        ui.tab = tab.unwrap_or(ui.tab);
        ui.runs_total = self.rows.len();
        ui.comparing = (!self.compared.is_empty()).then_some(0);
        let folder = self.options.runs.display().to_string();
        let now = self.rows.iter().map(|r| r.last).fold(self.state.now, f64::max);
        let scene = Scene {
            state: &self.state,
            ui: &ui,
            runs: &self.rows,
            keymap: &Keymap::defaults(),
            compared: &self.compared,
            pinned: &[],
            forecast: self.forecast.as_ref(),
            judged: self.judged.as_ref(),
            study: self.study.as_ref().map_or(Watched::Nothing, Watched::Seen),
            hits: &Hits::default(),
            folder: &folder,
            now,
            sizes: self.sizes,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        view::draw(&mut buffer, &scene, &theme);
        buffer
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ExplorerError> {
    std::fs::write(path, bytes).map_err(|source| ExplorerError::Picture { path: path.to_path_buf(), source })
}

/// One screen of a run, as the options say, as an SVG picture of a terminal of that size.
///
/// # Errors
/// A file that can't be written.
pub fn picture(
    folder: &RunFolder,
    options: &Options,
    size: (u16, u16),
    light: bool,
    path: &Path,
) -> Result<(), ExplorerError> {
    let gallery = Gallery::new(super::state_of(folder), options);
    write(path, svg::render(&gallery.draw(options.tab, size, light), light).as_bytes())
}

/// The screen of a study as an SVG picture of a terminal of that size.
///
/// # Errors
/// A study that can't be read, a file that can't be written.
pub fn study_picture(
    study: &Study,
    options: &Options,
    size: (u16, u16),
    light: bool,
    path: &Path,
) -> Result<(), ExplorerError> {
    let seen = study::read(study, &study::Asked::default()).map_err(ExplorerError::Study)?;
    let gallery = Gallery { study: Some(seen), ..Gallery::new(State::default(), options) };
    write(path, svg::render(&gallery.draw(Some(Tab::Study), size, light), light).as_bytes())
}

/// Every screen of a run as text, and dark and light as SVG and PNG, into a folder that is made if it is missing; the
/// names of the files, and why there are no PNGs where there are none. The comparison is with the latest other run.
///
/// # Errors
/// Files that can't be written.
pub fn pictures(
    folder: &RunFolder,
    options: &Options,
    size: (u16, u16),
    into: &Path,
) -> Result<(Vec<PathBuf>, Option<PngError>), ExplorerError> {
    std::fs::create_dir_all(into).map_err(|source| ExplorerError::Picture { path: into.to_path_buf(), source })?;
    let mut gallery = Gallery::new(super::state_of(folder), options);
    gallery.rows = crate::run::listing::read(&options.runs);
    let other = gallery.rows.iter().map(|r| r.folder.clone()).find(|f| f.name() != folder.name());
    let (mut files, mut missing) = (Vec::new(), None);
    let mut all = |gallery: &Gallery, tab: Tab, name: &str| -> Result<(), ExplorerError> {
        for (word, light) in [("dark", false), ("light", true)] {
            let buffer = gallery.draw(Some(tab), size, light);
            if !light {
                files.push(into.join(format!("{name}.txt")));
                write(&into.join(format!("{name}.txt")), text(&buffer).as_bytes())?;
            }
            let drawn = svg::render(&buffer, light);
            files.push(into.join(format!("{name}-{word}.svg")));
            write(&into.join(format!("{name}-{word}.svg")), drawn.as_bytes())?;
            match png_scaled(&drawn, SCALE) {
                Ok(bytes) => {
                    files.push(into.join(format!("{name}-{word}.png")));
                    write(&into.join(format!("{name}-{word}.png")), &bytes)?;
                }
                Err(e) => missing = Some(e),
            }
        }
        Ok(())
    };
    for tab in Tab::ALL {
        all(&gallery, tab, &tab.title().to_lowercase())?;
    }
    if let Some(other) = other {
        gallery.compared = Comparison::of(compare::read([folder.clone(), other]));
        all(&gallery, Tab::Runs, "compare")?;
    }
    Ok((files, missing))
}

fn text(buffer: &Buffer) -> String {
    let line = |y| draw::characters(buffer, y).iter().map(|(_, cell, _)| cell.symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| line(y).trim_end().to_string() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::Settings;
    use crate::explorer::fixture::{self, Until};
    use crate::run::config::Config;
    use crate::run::journal::Writer;

    #[test]
    fn every_screen_is_drawn_dark_and_light() {
        let dir = tempfile::tempdir().unwrap();
        let (runs, into) = (dir.path().join("runs"), dir.path().join("pictures"));
        let make = |name: &str, until| {
            let folder = RunFolder::create(&runs, Some(name), "x", &Config::default()).unwrap();
            let mut writer = Writer::open(&folder).unwrap();
            for event in fixture::journal(until, 1) {
                writer.emit(event.body).unwrap();
            }
            folder
        };
        let folder = make("a", Until::Done);
        make("b", Until::Searching);
        let options = Options::new(runs, Settings::default());
        let (files, missing) = pictures(&folder, &options, (80, 24), &into).unwrap();
        let of = |end: &str| files.iter().filter(|f| f.to_string_lossy().ends_with(end)).count();
        assert_eq!((of(".txt"), of("-dark.svg"), of("-light.svg")), (7, 7, 7));
        match missing {
            None => assert_eq!((of("-dark.png"), of("-light.png")), (7, 7)),
            Some(why) => println!("skipped: {why}"),
        }
        let read = |name: &str| std::fs::read_to_string(into.join(name)).unwrap();
        assert_eq!(read("search.txt").lines().count(), 24);
        assert!(read("compare.txt").contains("side by side") && read("runs.txt").contains("done"));
        assert_ne!(read("cell-dark.svg"), read("cell-light.svg"));
        assert!(pictures(&folder, &options, (80, 24), &into.join("cell.txt")).is_err());
    }
}
