//! The Python text of a genotype, as published code has it:
//! `DARTS_V1 = Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=[…], reduce_concat=[2, 3, 4, 5])`,
//! with any white space, comments, either quote, lists or tuples, and a trailing comma anywhere.

use super::genotype::GenotypeError;
use super::{CellKind, Choice, Genotype, Operation};

/// Where and why a text is no genotype.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("line {line}, column {column}: {reason}")]
    At { line: usize, column: usize, reason: String },
    /// Well written, but no architecture of the space; the place is that of the choice or list at fault.
    #[error("line {line}, column {column}: {error}")]
    Wrong { line: usize, column: usize, error: GenotypeError },
    /// The same in JSON, where places are not known.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
    #[error("a genotype is at most {LONGEST} bytes long; this text has {0}")]
    TooLong(usize),
}

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 << 10;
/// Most items of a list.
const MOST: usize = 256;

/// Reads the Python text, or the JSON that Zonas writes.
///
/// # Errors
/// Where the text stops being a genotype, or what makes it no architecture of the space.
pub fn parse_genotype(text: &str) -> Result<Genotype, ParseError> {
    if text.len() > LONGEST {
        return Err(ParseError::TooLong(text.len()));
    }
    // A byte order mark, which some editors put first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        let genotype: Genotype = serde_json::from_str(text).map_err(|e| {
            let reason: String = e.to_string().chars().filter(|c| !c.is_control()).collect();
            let place = format!(" at line {} column {}", e.line(), e.column());
            let reason = reason.strip_suffix(&place).unwrap_or(&reason).chars().take(200).collect();
            ParseError::At { line: e.line(), column: e.column(), reason }
        })?;
        genotype.check()?;
        return Ok(genotype);
    }
    let mut parser = Parser { text, at: 0, spots: Default::default() };
    let genotype = parser.genotype()?;
    genotype.check().map_err(|error| {
        let (line, column) = parser.place(parser.fault(&error, &genotype));
        ParseError::Wrong { line, column, error }
    })?;
    Ok(genotype)
}

/// Where the parts of a cell are in the text, in bytes.
#[derive(Default)]
struct Spots {
    list: usize,
    choices: Vec<usize>,
    concat: usize,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// By kind of cell.
    spots: [Spots; 2],
}

impl Parser<'_> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, ParseError> {
        let (line, column) = self.place(self.at);
        Err(ParseError::At { line, column, reason: reason.into() })
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        (line, before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1)
    }

    /// The byte where what an error speaks of stands.
    fn fault(&self, error: &GenotypeError, genotype: &Genotype) -> usize {
        let choice = |cell: CellKind, node: usize, is: &dyn Fn(&Choice) -> bool, last: bool| {
            let spots = &self.spots[cell.index()];
            let pair = genotype.choices(cell).iter().enumerate().skip(2 * node).take(2);
            let mut found = pair.filter(|(_, c)| is(c)).map(|(i, _)| i);
            let i = if last { found.last() } else { found.next() };
            i.and_then(|i| spots.choices.get(i)).copied().unwrap_or(spots.list)
        };
        match *error {
            GenotypeError::Choices { cell, .. } => self.spots[cell.index()].list,
            GenotypeError::Source { cell, node, source_state } => {
                choice(cell, node, &|c| c.source == source_state, false)
            }
            GenotypeError::Twice { cell, node, source_state } => {
                choice(cell, node, &|c| c.source == source_state, true)
            }
            GenotypeError::NoOperation { cell, node } => choice(cell, node, &|c| c.operation == Operation::None, false),
            GenotypeError::Concat { cell, .. } | GenotypeError::EmptyConcat { cell } => self.spots[cell.index()].concat,
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Over white space, comments and line continuations.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let skip = match rest.chars().next() {
                Some(c) if c.is_whitespace() || c == '\\' => c.len_utf8(),
                Some('#') => rest.find('\n').unwrap_or(rest.len()),
                _ => return,
            };
            self.at += skip;
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str, what: &str) -> Result<(), ParseError> {
        if self.eat(token) {
            return Ok(());
        }
        self.fail(format!("expected {what}, found {}", self.found()))
    }

    /// What stands here, for an error.
    fn found(&self) -> String {
        let ends = |c: char| c.is_whitespace() || c.is_control() || ",()[]=".contains(c);
        let mut chars = self.rest().chars();
        match chars.next() {
            None => "the end of the text".into(),
            Some(first) if ends(first) => format!("`{}`", first.escape_debug()),
            Some(first) => {
                let more: String = chars.take_while(|c| !ends(*c)).take(30).collect();
                format!("`{first}{more}`")
            }
        }
    }

    fn word(&mut self) -> String {
        self.space();
        let word: String = self.rest().chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(64).collect();
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Result<usize, ParseError> {
        self.space();
        let start = self.at;
        let word = self.word();
        match word.parse() {
            Ok(n) if n < 1000 => Ok(n),
            _ => {
                self.at = start;
                self.fail(format!("expected the number of a state, found {}", self.found()))
            }
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.space();
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else {
            return self.fail("expected the name of an operation in quotes");
        };
        let inner = &self.rest()[1..];
        match inner.find(quote) {
            Some(end) if end <= 64 => {
                let found = inner[..end].to_string();
                self.at += end + 2;
                Ok(found)
            }
            Some(_) => self.fail("this is too long for the name of an operation"),
            None => self.fail("this quote is not closed"),
        }
    }

    /// Items between brackets, with a trailing comma allowed.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, ParseError>) -> Result<Vec<T>, ParseError> {
        let close = if self.eat("[") {
            "]"
        } else {
            self.expect("(", "a list, `[` or `(`")?;
            ")"
        };
        let mut items = Vec::new();
        while !self.eat(close) {
            if items.len() == MOST {
                return self.fail(format!("more than {MOST} items"));
            }
            items.push(item(self)?);
            if !self.eat(",") {
                self.expect(close, &format!("`,` or `{close}`"))?;
                break;
            }
        }
        Ok(items)
    }

    fn choices(&mut self, cell: CellKind) -> Result<Vec<Choice>, ParseError> {
        self.space();
        self.spots[cell.index()] = Spots { list: self.at, choices: Vec::new(), ..self.spots[cell.index()] };
        self.list(|parser| {
            parser.space();
            let at = parser.at;
            parser.spots[cell.index()].choices.push(at);
            parser.choice()
        })
    }

    fn choice(&mut self) -> Result<Choice, ParseError> {
        let close = if self.eat("(") {
            ")"
        } else {
            self.expect("[", "a pair ('operation', state)")?;
            "]"
        };
        self.space();
        let start = self.at;
        let name = self.string()?;
        let operation = match name.parse::<Operation>() {
            Ok(o) if o.name() == name => o,
            _ => {
                self.at = start;
                let known = Operation::ALL.map(Operation::name);
                let near = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, &name));
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return self
                    .fail(format!("`{shown}` is not a DARTS operation; the nearest is `{}`", near.unwrap_or(&"none")));
            }
        };
        self.expect(",", "`,`")?;
        let source = self.number()?;
        self.eat(",");
        self.expect(close, &format!("`{close}`"))?;
        Ok(Choice { operation, source })
    }

    fn concat(&mut self, cell: CellKind) -> Result<Vec<usize>, ParseError> {
        self.space();
        self.spots[cell.index()].concat = self.at;
        // `list(range(2, 6))` is written too.
        let wrapped = self.eat("list") && {
            self.expect("(", "`(`")?;
            true
        };
        let found = if self.eat("range") {
            self.expect("(", "`(`")?;
            let first = self.number()?;
            let (first, end) = if self.eat(",") { (first, self.number()?) } else { (0, first) };
            self.eat(",");
            self.expect(")", "`)`")?;
            (first..end).collect()
        } else {
            self.list(Self::number)?
        };
        if wrapped {
            self.expect(")", "`)`")?;
        }
        Ok(found)
    }

    fn genotype(&mut self) -> Result<Genotype, ParseError> {
        self.space();
        let start = self.at;
        let mut name = self.word();
        if self.eat("=") {
            name = self.word();
        }
        // A module's name may come first: `genotypes.Genotype(…)`.
        while self.eat(".") {
            name = self.word();
        }
        if name != "Genotype" {
            self.at = start;
            return self.fail("expected `Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)`");
        }
        self.expect("(", "`(`")?;
        let (mut normal, mut reduction, mut normal_concat, mut reduction_concat) = (None, None, None, None);
        while !self.eat(")") {
            self.space();
            let start = self.at;
            let key = self.word();
            self.expect("=", "`=` after the name of an argument")?;
            let again = match key.as_str() {
                "normal" => normal.replace(self.choices(CellKind::Normal)?).is_some(),
                "reduce" => reduction.replace(self.choices(CellKind::Reduction)?).is_some(),
                "normal_concat" => normal_concat.replace(self.concat(CellKind::Normal)?).is_some(),
                "reduce_concat" => reduction_concat.replace(self.concat(CellKind::Reduction)?).is_some(),
                _ => {
                    self.at = start;
                    return self.fail("arguments are normal, normal_concat, reduce and reduce_concat");
                }
            };
            if again {
                self.at = start;
                return self.fail(format!("`{key}` is given twice"));
            }
            if !self.eat(",") {
                self.expect(")", "`,` or `)`")?;
                break;
            }
        }
        self.space();
        if !self.rest().is_empty() {
            return self.fail("there is more text after the genotype");
        }
        let missing = |name: &str| format!("the argument `{name}` is missing");
        let Some(normal) = normal else { return self.fail(missing("normal")) };
        let Some(reduction) = reduction else { return self.fail(missing("reduce")) };
        let Some(normal_concat) = normal_concat else { return self.fail(missing("normal_concat")) };
        let Some(reduction_concat) = reduction_concat else { return self.fail(missing("reduce_concat")) };
        Ok(Genotype { normal, normal_concat, reduction, reduction_concat })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Vec<Choice>> {
        let node = |n: usize| {
            (0..n + 2, 0..n + 1, 1usize..8, 1usize..8).prop_map(move |(a, b, o, p)| {
                let b = if b >= a { b + 1 } else { b };
                [(a, o), (b, p)].map(|(source, o)| Choice { operation: Operation::ALL[o], source })
            })
        };
        (node(0), node(1), node(2), node(3)).prop_map(|(a, b, c, d)| [a, b, c, d].concat())
    }

    fn genotype() -> impl Strategy<Value = Genotype> {
        let concat = proptest::sample::subsequence(vec![2usize, 3, 4, 5], 1..=4);
        (cell(), concat.clone(), cell(), concat).prop_map(|(normal, normal_concat, reduction, reduction_concat)| {
            Genotype { normal, normal_concat, reduction, reduction_concat }
        })
    }

    proptest! {
        #[test]
        fn python_and_json_round_trip(g in genotype()) {
            prop_assert_eq!(&parse_genotype(&g.to_string()).unwrap(), &g);
            prop_assert_eq!(&parse_genotype(&serde_json::to_string(&g).unwrap()).unwrap(), &g);
        }

        #[test]
        fn mutations_never_panic(g in genotype(), at in 0usize..400, with in "\\PC{0,3}") {
            let mut text = g.to_string();
            let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.insert_str(at, &with);
            let _ = parse_genotype(&text);
            let _ = parse_genotype(&text[..at]);
        }
    }

    const V1: &str = "DARTS_V1 = Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), \
        ('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], \
        normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
        ('max_pool_3x3', 0), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], \
        reduce_concat=[2, 3, 4, 5])";

    #[test]
    fn published_spellings_are_one_genotype() {
        let g = parse_genotype(V1).unwrap();
        let other = V1
            .replace("[2, 3, 4, 5]", "range(2, 6)")
            .replace("('sep_conv_3x3', 1)", "( \"sep_conv_3x3\" ,\n 1 , )")
            .replace("DARTS_V1 = ", "# the first\ngenotypes.");
        assert_eq!(parse_genotype(&other).unwrap(), g);
        assert_eq!(parse_genotype(&V1.replace("[2, 3, 4, 5]", "list(range(2, 6))")).unwrap(), g);
        assert_eq!(parse_genotype(&format!("\u{feff}{V1}\r\n")).unwrap(), g);
    }

    #[test]
    fn mistakes_have_a_place_and_a_reason() {
        let error = |t: String| parse_genotype(&t).unwrap_err().to_string();
        let e = error(V1.replace("('avg_pool_3x3', 0)", "('avg_pol_3x3', 0)"));
        assert!(e.contains("column") && e.contains("`avg_pool_3x3`"), "{e}");
        assert!(
            error(V1.replace("('sep_conv_3x3', 1), ('sep_conv_3x3', 0)", "('sep_conv_3x3', 1), ('sep_conv_3x3', 1)"))
                .contains("twice")
        );
        assert!(error(V1.replace("('skip_connect', 2)]", "('skip_connect', 5)]")).contains("may read only"));
        assert!(
            error(V1.replacen("('sep_conv_3x3', 1), ('sep_conv_3x3', 0), (", "('sep_conv_3x3', 1), (", 1))
                .contains("7 choices")
        );
        assert!(error(V1[..80].to_string()).contains("line 1"));
        assert!(error(V1.replace("reduce_concat", "reduce_concats")).contains("arguments are"));
        assert!(error("x".repeat(LONGEST + 1)).contains("at most"));
        assert!(error(V1.replacen("('sep_conv_3x3', 1)", "('sep_conv_3x3', -1)", 1)).contains("found `-1`"));
        let long = format!("'{}'", "x".repeat(80));
        assert!(error(V1.replacen("'sep_conv_3x3'", &long, 1)).contains("too long"));
        // Places of what is well written and wrong, on lines of their own.
        let lines = V1.replace("), (", "),\n(").replace("], ", "],\n");
        let at = |from: &str, to: &str, n: usize| {
            let (i, _) = lines.match_indices(from).nth(n).unwrap();
            let text = format!("{}{to}{}", &lines[..i], &lines[i + from.len()..]);
            match parse_genotype(&text) {
                Err(ParseError::Wrong { line, column, error }) => (line, column, error),
                other => panic!("{other:?}"),
            }
        };
        let normal = CellKind::Normal;
        let twice = GenotypeError::Twice { cell: normal, node: 0, source_state: 1 };
        assert_eq!(at("'sep_conv_3x3', 0", "'sep_conv_3x3', 1", 0), (2, 1, twice));
        let wrong = GenotypeError::Source { cell: normal, node: 3, source_state: 5 };
        assert_eq!(at("'skip_connect', 2", "'skip_connect', 5", 0), (8, 1, wrong));
        let none = GenotypeError::NoOperation { cell: CellKind::Reduction, node: 3 };
        assert_eq!(at("'avg_pool_3x3', 0", "'none', 0", 0), (17, 1, none));
        let concat = GenotypeError::Concat { cell: normal, state: 6 };
        assert_eq!(at("[2, 3, 4, 5]", "range(2, 7)", 0), (9, 15, concat));
        // JSON says its place once.
        assert_eq!(error("{\"normal\": 3}".into()).matches("line").count(), 1);
        assert!(error(String::new()).contains("expected"));
    }
}
