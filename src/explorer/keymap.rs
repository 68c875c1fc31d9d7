//! Keys as text (`ctrl-r`, `space`, `[`) and which action a key means in which context.

use std::collections::HashMap;

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

/// What each key means.
pub struct Keymap {
    table: HashMap<(Context, Key), Action>,
}

impl Keymap {
    /// The defaults of the action table.
    ///
    /// # Errors
    /// A key that cannot be read, or two actions on one key.
    pub fn new() -> Result<Keymap, String> {
        let mut table = HashMap::new();
        for spec in ACTIONS {
            for text in spec.keys {
                let key: Key = text.parse()?;
                for context in spec.contexts {
                    if let Some(other) = table.insert((*context, key), spec.action) {
                        return Err(format!(
                            "the key `{text}` means both {other:?} and {:?} in {context:?}",
                            spec.action
                        ));
                    }
                }
            }
        }
        Ok(Keymap { table })
    }

    /// The action of a key: that of the screen first, then that of everywhere. A dialogue takes all keys.
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        let own = self.table.get(&(context, key));
        let chain = if context.is_dialogue() { None } else { self.table.get(&(Context::Everywhere, key)) };
        own.or(chain).copied()
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
    }

    #[test]
    fn the_default_keys_are_unique_in_each_context() {
        let keymap = Keymap::new().unwrap();
        // Nor may a screen hide a key that works everywhere.
        for (context, key) in keymap.table.keys() {
            if *context != Context::Everywhere && !context.is_dialogue() {
                assert!(!keymap.table.contains_key(&(Context::Everywhere, *key)), "{context:?} hides {key:?}");
            }
        }
    }
}
