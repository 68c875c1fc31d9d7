//! Keys as text (`ctrl-r`, `space`, `[`) and which action a key means in which context.

use std::collections::{BTreeMap, HashMap};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{ACTIONS, Action, Context};

/// One key with what is held down with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        // Shift is already in the character; terminals differ in whether they report it beside.
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Key {
            code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
        }
    }
}

/// Names of keys that are not a character.
const NAMES: [(&str, KeyCode); 16] = [
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("space", KeyCode::Char(' ')),
    ("f1", KeyCode::F(1)),
];

impl std::str::FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            if let Some(r) = rest.strip_prefix("ctrl-").filter(|r| !r.is_empty()) {
                (rest, ctrl) = (r, true);
            } else if let Some(r) = rest.strip_prefix("alt-").filter(|r| !r.is_empty()) {
                (rest, alt) = (r, true);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (NAMES.iter().find(|(name, _)| *name == rest), chars.next(), chars.next()) {
            (Some((_, code)), ..) => *code,
            (None, Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => return Err(format!("`{text}` is not a key; write a, ctrl-a, space, enter, esc, tab, left, pgup, …")),
        };
        Ok(Key { code, ctrl, alt })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, other) => write!(f, "{other}"),
        }
    }
}

/// Ids of actions that people may still have in their settings, and what they are called now.
const RENAMED: [(&str, &str); 2] = [("take_up", "resume"), ("pause_search", "pause")];

/// Keys of the person's own, by the id of an action.
pub type Own = BTreeMap<String, Vec<String>>;

/// What each key means.
pub struct Keymap {
    table: HashMap<(Context, Key), Action>,
    /// By row of the action table.
    keys: Vec<Vec<Key>>,
}

impl Keymap {
    /// The action table's keys, with the person's own in place of its.
    ///
    /// # Errors
    /// An action that there is not, a key that can't be read, or two actions on one key: named, with what to do.
    pub fn new(own: &Own) -> Result<Keymap, String> {
        for id in own.keys() {
            if ACTIONS.iter().all(|s| s.id != id) && RENAMED.iter().all(|(old, _)| old != id) {
                let known = ACTIONS.iter().map(|s| s.id);
                let near =
                    crate::nearest::nearest(id, known).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                return Err(format!("there is no action `{id}`{near}"));
            }
        }
        let mut table: HashMap<(Context, Key), Action> = HashMap::new();
        let mut ids: HashMap<(Context, Key), &str> = HashMap::new();
        let mut keys = Vec::with_capacity(ACTIONS.len());
        for spec in ACTIONS {
            let before = || RENAMED.iter().find(|(_, new)| *new == spec.id).and_then(|(old, _)| own.get(*old));
            let texts: Vec<&str> = match own.get(spec.id).or_else(before) {
                Some(texts) => texts.iter().map(String::as_str).collect(),
                None => spec.keys.to_vec(),
            };
            let parsed = texts.iter().map(|t| t.parse::<Key>()).collect::<Result<Vec<_>, _>>();
            let parsed = parsed.map_err(|e| format!("{}: {e}", spec.id))?;
            for key in &parsed {
                for context in spec.contexts {
                    if let Some(other) = ids.insert((*context, *key), spec.id) {
                        let title = context.title();
                        return Err(format!(
                            "the key `{key}` means both {other} and {} in {title}; give one of them another key",
                            spec.id
                        ));
                    }
                    table.insert((*context, *key), spec.action);
                }
            }
            keys.push(parsed);
        }
        // A screen must not hide a key that works everywhere.
        for ((context, key), id) in &ids {
            let hidden = ids.get(&(Context::Everywhere, *key)).filter(|_| *context != Context::Everywhere);
            if let Some(other) = hidden.filter(|_| !context.is_dialogue() && *context != Context::Compare) {
                return Err(format!("the key `{key}` of {id} would hide {other}; give one of them another key"));
            }
        }
        Ok(Keymap { table, keys })
    }

    /// The action table's keys alone.
    pub fn defaults() -> Keymap {
        // A test sees to it that these are sound.
        Keymap::new(&Own::new()).unwrap_or(Keymap { table: HashMap::new(), keys: Vec::new() })
    }

    /// The action of a key: that of the screen first, then that of everywhere. A dialogue takes all keys.
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        let own = self.table.get(&(context, key));
        let chain = if context.is_dialogue() { None } else { self.table.get(&(Context::Everywhere, key)) };
        own.or(chain).copied()
    }

    /// The first key of a row of the action table, as the screen shows it; empty if it has none.
    pub fn first(&self, row: usize) -> String {
        self.keys.get(row).and_then(|k| k.first()).map_or_else(String::new, shown)
    }

    /// All keys of a row.
    pub fn all(&self, row: usize) -> String {
        self.keys.get(row).map_or_else(String::new, |k| k.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    /// The first key of an action in one context.
    pub fn in_context(&self, action: Action, context: Context) -> String {
        let row = ACTIONS.iter().position(|s| s.action == action && s.contexts.contains(&context));
        row.map_or_else(String::new, |row| self.first(row))
    }

    /// The key of an action, for a sentence.
    pub fn of(&self, action: Action) -> String {
        ACTIONS.iter().position(|s| s.action == action).map_or_else(String::new, |row| self.first(row))
    }
}

/// Arrows as arrows.
fn shown(key: &Key) -> String {
    match (key.ctrl || key.alt, key.code) {
        (false, KeyCode::Left) => "←".into(),
        (false, KeyCode::Right) => "→".into(),
        (false, KeyCode::Up) => "↑".into(),
        (false, KeyCode::Down) => "↓".into(),
        _ => key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let key: Key = "ctrl-r".parse().unwrap();
        assert_eq!(key, Key { code: KeyCode::Char('r'), ctrl: true, alt: false });
        assert_eq!("space".parse::<Key>().unwrap().code, KeyCode::Char(' '));
        assert_eq!("-".parse::<Key>().unwrap().code, KeyCode::Char('-'));
        assert!("hyper".parse::<Key>().is_err());
        assert!("".parse::<Key>().is_err());
        for text in ACTIONS.iter().flat_map(|s| s.keys) {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), *text);
        }
    }

    fn own(id: &str, keys: &[&str]) -> Own {
        Own::from([(id.to_string(), keys.iter().map(|k| (*k).to_string()).collect())])
    }

    #[test]
    fn own_keys_take_the_place_of_the_defaults() {
        let keymap = Keymap::new(&own("undo", &["U", "ctrl-y"])).unwrap();
        assert_eq!(keymap.action(Context::Cut, "U".parse().unwrap()), Some(Action::Undo));
        assert_eq!(keymap.action(Context::Cut, "ctrl-y".parse().unwrap()), Some(Action::Undo));
        assert_eq!(keymap.action(Context::Cut, "u".parse().unwrap()), None);
        assert_eq!(keymap.of(Action::Undo), "U");
        assert_eq!(Keymap::new(&own("take_up", &["Y"])).unwrap().of(Action::Resume), "Y");
        assert_eq!(Keymap::new(&own("pause_search", &["space"])).unwrap().of(Action::Pause), "space");
    }

    #[test]
    fn wrong_keys_are_refused_by_name() {
        let refused = |own: &Own| Keymap::new(own).err().unwrap();
        assert_eq!(
            refused(&own("undo", &["a"])),
            "the key `a` means both undo and automatic in Cut; give one of them another key"
        );
        assert!(refused(&own("undo", &["q"])).contains("hide quit"));
        assert_eq!(refused(&own("undoo", &["a"])), "there is no action `undoo`; did you mean `undo`?");
        assert!(refused(&own("undo", &["hyper-x"])).starts_with("undo: `hyper-x` is not a key"));
    }

    #[test]
    fn the_default_keys_are_unique() {
        assert!(Keymap::new(&Own::new()).is_ok());
    }
}
