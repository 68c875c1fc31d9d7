//! Tables of accuracies: tab-separated text, plain or packed, read line by line within limits.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::cells::{Cell, Cells};
use super::dialect::Dialect;
use super::error::TruthError;
use crate::nearest::nearest;
use crate::text;

/// Most bytes of a table, unpacked.
pub const MOST_BYTES: u64 = 512 << 20;
/// Most memory that unpacking .xz may take, in KiB: the window of `xz -9` is 64 MiB.
const UNPACKING_KIB: u32 = 128 << 10;
/// Longest line in bytes; the longest genotype has a few thousand.
const LONGEST_LINE: u64 = 1 << 20;
/// Comments that are looked at, and columns that an error lists.
const LISTED: usize = 40;

/// A cell and its accuracy, in the table's unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub cell: Cell,
    pub accuracy: f64,
}

/// What a file holds of a space.
#[derive(Clone, Debug)]
pub struct Table {
    /// As it was named.
    pub file: String,
    /// The column of accuracies.
    pub column: String,
    /// Comment lines without `#`, the first 40.
    pub comments: Vec<String>,
    /// Ordered by cell, each once: nothing depends on the order in the file.
    pub rows: Vec<Row>,
    /// Rows that are not of the space, and the first of them: its line, and why.
    pub others: usize,
    pub first_other: Option<(usize, String)>,
}

impl Table {
    /// Reads a file, plain, .xz or .gz (by its first bytes). `column` names the accuracies; without it, the only column that
    /// is called like one.
    ///
    /// # Errors
    /// A file that can't be read, is torn (a last line without an end, whose number is shorter than those before it, counts as torn), or larger than [`MOST_BYTES`]; no such column; an accuracy that is no finite number;
    /// a cell that is there twice; nothing of the space.
    pub fn read(path: &Path, cells: &Cells, column: Option<&str>) -> Result<Table, TruthError> {
        let file = path.display().to_string();
        let failed = |source| TruthError::Read { file: file.clone(), source };
        if path.is_dir() {
            return Err(TruthError::Table { file, reason: "is a folder; name the file of the table".into() });
        }
        let mut packed = BufReader::new(File::open(path).map_err(failed)?);
        // A pipe may give less at a time, but not less than this of a file.
        let magic = packed.fill_buf().map_err(failed)?;
        let (xz, gz) = (magic.starts_with(b"\xfd7zXZ\0"), magic.starts_with(b"\x1f\x8b"));
        let plain: Box<dyn Read> = match (xz, gz) {
            (true, _) => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, UNPACKING_KIB)),
            (_, true) => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            _ => Box::new(packed),
        };
        Table::of(plain, MOST_BYTES, &file, cells, column)
    }

    /// The same of a reader; `most` bytes are read.
    fn of(from: impl Read, most: u64, file: &str, cells: &Cells, column: Option<&str>) -> Result<Table, TruthError> {
        let mut lines = Lines { from: BufReader::new(from).take(most + 1), most, ended: true, number: 0, file };
        let mut comments = Vec::new();
        let mut head: Option<Head> = None;
        let mut seen: HashMap<Cell, usize> = HashMap::new();
        let mut shape = None;
        let (mut rows, mut others, mut first_other) = (Vec::new(), 0, None);
        while let Some(line) = lines.next()? {
            if let Some(comment) = line.strip_prefix('#') {
                if comments.len() < LISTED {
                    comments.push(comment.trim().chars().take(2000).collect());
                }
                continue;
            }
            if line.trim().is_empty() {
                continue;
            }
            let Some(head) = &head else {
                head = Some(Head::of(&line, cells, column).map_err(|reason| lines.wrong(reason))?);
                continue;
            };
            let fields: Vec<&str> = line.split('\t').collect();
            if fields.len() != head.columns {
                let (here, there) = (text::counted(fields.len(), "field"), text::counted(head.columns, "column"));
                let reason =
                    format!("{here} where the header has {there}: the file is torn or mixed up; fetch it again");
                return Err(lines.wrong(reason));
            }
            let end = fields[head.columns - 1].trim();
            let short = head.ends_in_number && !lines.ended && Written::is_short(shape, end);
            shape = Some(Written::with(shape, end));
            let cell = match head.dialect.read(&fields, cells.space()).and_then(|g| cells.cell(&g)) {
                Ok(cell) => cell,
                Err(why) => {
                    others += 1;
                    first_other.get_or_insert((lines.number, why));
                    continue;
                }
            };
            let given = fields[head.accuracy].trim();
            let Some(accuracy) = given.parse().ok().filter(|a: &f64| a.is_finite()) else {
                let shown: String = given.chars().take(40).collect();
                let reason = format!("`{}` is `{shown}`, which is no finite number; take the row out", head.name);
                return Err(lines.wrong(reason));
            };
            if short {
                let shown: String = end.chars().take(40).collect();
                return Err(lines.wrong(format!(
                    "the file ends in `{shown}`, perhaps in the middle of a number: fetch it again, or end its last line"
                )));
            }
            if let Some(line) = seen.insert(cell.clone(), lines.number) {
                let reason = format!("the cell of line {line} again; keep one row a cell, for example their mean");
                return Err(lines.wrong(reason));
            }
            rows.push(Row { cell, accuracy });
        }
        let refuse = |reason: String| Err(TruthError::Table { file: file.into(), reason });
        let Some(head) = head else {
            return refuse(
                "it has no header: the first line that is no comment names the columns, with tabs between".into(),
            );
        };
        if rows.is_empty() {
            let space = cells.space().name();
            return refuse(match first_other {
                None => "it has a header and no rows".into(),
                Some((line, why)) => {
                    format!("none of its {} is of the space {space} (line {line}: {why})", text::counted(others, "row"))
                }
            });
        }
        rows.sort_by(|a, b| a.cell.cmp(&b.cell));
        Ok(Table { file: file.into(), column: head.name, comments, rows, others, first_other })
    }

    /// Whether a comment says that the accuracies are predicted, not measured.
    pub fn is_surrogate(&self) -> bool {
        self.comments.iter().map(|c| c.to_lowercase()).any(|c| c.contains("surrogate") || c.contains("predict"))
    }
}

/// How the numbers of a column are written: by these a number is known that is the beginning of another.
#[derive(Clone, Copy)]
struct Written {
    /// The longest, and the most that follows a point.
    longest: usize,
    behind_point: usize,
}

impl Written {
    fn of(number: &str) -> Written {
        Written { longest: number.len(), behind_point: number.split_once('.').map_or(0, |(_, behind)| behind.len()) }
    }

    fn with(before: Option<Written>, number: &str) -> Written {
        let (own, before) = (Written::of(number), before.unwrap_or(Written::of("")));
        let (longest, behind_point) = (own.longest.max(before.longest), own.behind_point.max(before.behind_point));
        Written { longest, behind_point }
    }

    /// Whether a number may go on, by those before it.
    fn is_short(before: Option<Written>, number: &str) -> bool {
        let own = Written::of(number);
        before.is_none_or(|before| match before.behind_point {
            0 => own.longest < before.longest,
            most => own.behind_point < most,
        })
    }
}

/// The lines of a file that may be hostile.
struct Lines<'a, R> {
    from: io::Take<BufReader<R>>,
    most: u64,
    /// Whether the line that was read last has an end.
    ended: bool,
    /// Of the line that was read last, from 1.
    number: usize,
    file: &'a str,
}

impl<R: Read> Lines<'_, R> {
    fn wrong(&self, reason: String) -> TruthError {
        TruthError::Line { file: self.file.into(), line: self.number, reason }
    }

    /// Without its end; bytes that are no UTF-8 become replacement characters.
    fn next(&mut self) -> Result<Option<String>, TruthError> {
        let mut line = Vec::new();
        self.number += 1;
        let read = self.from.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
        let table = |reason: String| TruthError::Table { file: self.file.into(), reason };
        match read {
            Ok(_) if self.from.limit() == 0 => {
                Err(table(format!("it has more than {} unpacked; take a part of its rows", text::bytes(self.most))))
            }
            Ok(0) => Ok(None),
            Ok(_) if line.len() as u64 > LONGEST_LINE => {
                Err(self.wrong(format!("the line has more than {}: this is no table", text::bytes(LONGEST_LINE))))
            }
            Ok(_) => {
                self.ended = line.ends_with(b"\n");
                let line = String::from_utf8_lossy(&line);
                Ok(Some(line.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).into()))
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(table(format!(
                "it is torn: it ends in line {} in the middle of its data; fetch it again",
                self.number
            ))),
            Err(e) if e.kind() == io::ErrorKind::OutOfMemory => {
                let most = text::bytes(u64::from(UNPACKING_KIB) << 10);
                Err(table(format!("unpacking it takes more than {most}; pack it again, with `xz -9` at most")))
            }
            Err(e) => Err(table(format!("it can't be read beyond line {} ({e}); fetch it again", self.number))),
        }
    }
}

/// What the header says.
struct Head {
    columns: usize,
    dialect: Dialect,
    accuracy: usize,
    name: String,
    /// What a torn last line could be read wrongly by.
    ends_in_number: bool,
}

impl Head {
    fn of(line: &str, cells: &Cells, column: Option<&str>) -> Result<Head, String> {
        let names: Vec<String> = line.split('\t').map(|n| n.trim().into()).collect();
        if names.len() == 1 {
            return Err("this is not a header: columns are named with tabs between them".into());
        }
        let dialect = Dialect::of(&names, cells.space())?;
        let listed = |all: &[&String]| {
            let more = if all.len() > LISTED { ", …" } else { "" };
            let shown = all.iter().take(LISTED).map(|n| n.chars().take(60).collect::<String>());
            format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
        };
        let all: Vec<&String> = names.iter().collect();
        let found: Vec<&String> = match column {
            Some(name) => all.iter().copied().filter(|n| *n == name).collect(),
            None => all.iter().copied().filter(|n| is_accuracy(n)).collect(),
        };
        let name = match (&found[..], column) {
            ([one], _) => (*one).clone(),
            ([], Some(name)) => {
                let near = nearest(name, names.iter().map(String::as_str));
                let near = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                return Err(format!("there is no column `{name}`; there are {}{near}", listed(&all)));
            }
            ([], None) => {
                return Err(format!("no column is called like an accuracy; name one of {} by --column", listed(&all)));
            }
            (_, Some(name)) => return Err(format!("there are {} columns `{name}`; rename one", found.len())),
            (_, None) => return Err(format!("several accuracies: {}; name one by --column", listed(&found))),
        };
        let accuracy = names.iter().position(|n| *n == name).unwrap_or(0);
        if dialect.columns().contains(&accuracy) {
            return Err(format!(
                "the column `{name}` says which cell a row is of, and is no accuracy; name another by --column"
            ));
        }
        let last = names.len() - 1;
        let ends_in_number = accuracy == last || dialect == Dialect::Index(last);
        Ok(Head { columns: names.len(), dialect, accuracy, name, ends_in_number })
    }
}

/// `acc`, `val_acc`, `test accuracy`, …
fn is_accuracy(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|part| matches!(part, "acc" | "accuracy" | "top1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{darts, published};

    fn read(text: &str, column: Option<&str>) -> Result<Table, String> {
        let cells = Cells::of(darts::SPACE);
        Table::of(text.as_bytes(), 1 << 20, "t.tsv", &cells, column).map_err(|e| e.to_string())
    }

    fn rows(count: usize) -> Vec<String> {
        published::all()
            .iter()
            .filter(|p| p.genotype.check_in(darts::SPACE).is_ok())
            .take(count)
            .map(|p| p.genotype.to_string())
            .collect()
    }

    #[test]
    fn what_is_sound_is_read() {
        let own = rows(2);
        let text = format!(
            "\u{feff}# made up\r\n#\tpredicted\r\n\r\nname\tgenotype\tval_acc\r\na\t{}\t93.5\r\n# more\nb\t{}\t1e1\nc\tGenotype(\t\nd\tno\tnan",
            own[0], own[1]
        );
        let table = read(&text, None).unwrap();
        assert_eq!((table.column.as_str(), table.rows.len(), table.others), ("val_acc", 2, 2));
        assert_eq!(table.comments, ["made up", "predicted", "more"]);
        assert!(table.is_surrogate() && table.first_other.as_ref().unwrap().0 == 8);
        // A last line without an end is whole where its number is, or is not its last.
        for sound in [
            format!("genotype\tacc\n{}\t100.25\n{}\t93.50", own[0], own[1]),
            format!("acc\tgenotype\n9\t{}", own[0]),
            format!("genotype\tacc\n{}\t93\n{}\t94", own[0], own[1]),
        ] {
            assert_eq!(read(&sound, Some("acc")).unwrap().others, 0, "{sound}");
        }
        // The order of rows is none.
        let turned = format!("genotype\tx_acc\tacc\n{}\t9\t10\n{}\t9\t93.5\n", own[1], own[0]);
        assert_eq!(read(&turned, Some("acc")).unwrap().rows, table.rows);
        assert!(!read(&turned, Some("acc")).unwrap().is_surrogate());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let own = rows(2);
        let sound = format!("genotype\tacc\n{}\t93\n", own[0]);
        for (text, column, why) in [
            ("", None, "no header"),
            ("# only this\n", None, "no header"),
            ("genotype,acc\n", None, "line 1: this is not a header"),
            ("genotype\tacc\n", None, "no rows"),
            ("genotype\tacc\nx\t1\ny\t2\n", None, "none of its 2 rows is of the space darts (line 2: "),
            ("cell\tacc\n", None, "line 1: no column says which cell"),
            ("index\tops\tacc\n", None, "NAS-Bench-201"),
            ("genotype\tloss\n", None, "name one of genotype, loss by --column"),
            ("genotype\tval_acc\ttest_acc\n", None, "several accuracies: val_acc, test_acc"),
            ("genotype\tacc\tacc\n", Some("acc"), "2 columns `acc`"),
            ("genotype\tval_acc\n", Some("vel_acc"), "did you mean `val_acc`?"),
            (&format!("{sound}{}\tNaN\n", own[1]), None, "t.tsv, line 3: `acc` is `NaN`"),
            (&format!("{sound}{}\t\n", own[1]), None, "line 3: `acc` is ``"),
            (&format!("{sound}{}\tinf\n", own[1]), None, "line 3"),
            (&format!("{sound}{}", own[1]), None, "line 3: 1 field where the header has 2 columns"),
            (&format!("{sound}{}\t92\n", own[0]), None, "line 3: the cell of line 2 again"),
            (&format!("{sound}{}\t9", own[1]), None, "line 3: the file ends in `9`, perhaps in the middle of a number"),
            (&format!("genotype\tacc\n{}\t93.51\n{}\t93.", own[0], own[1]), None, "the file ends in `93.`"),
            (
                &format!("genotype\tacc\n{}\t9.351e+01\n{}\t9.351e+0", own[0], own[1]),
                None,
                "the file ends in `9.351e+0`",
            ),
            (&format!("genotype\tacc\n{}\t93", own[0]), None, "line 2: the file ends in `93`"),
        ] {
            let refused = read(text, column).unwrap_err();
            assert!(refused.contains(why) && !refused.contains('\n'), "{text:?}: {refused}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_kept() {
        let cells = Cells::of(darts::SPACE);
        let endless = io::repeat(b'x');
        let refused = Table::of(endless, 1 << 16, "t", &cells, None).unwrap_err().to_string();
        assert!(refused.contains("more than 64.0 KiB"), "{refused}");
        let refused = Table::of(io::repeat(b'x'), MOST_BYTES, "t", &cells, None).unwrap_err().to_string();
        assert!(refused.contains("t, line 1: the line has more than 1.00 MiB"), "{refused}");
    }
}
