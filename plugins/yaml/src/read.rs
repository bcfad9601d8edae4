//! YAML as a tree that knows where it lies in its text.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// How deep values may be nested.
const DEPTH_MAX: usize = 100;

/// A text and its documents.
#[derive(Debug)]
pub(crate) struct Stream<'t> {
    pub text: &'t str,
    pub documents: Vec<Node>,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// Whether it has a name for aliases. A name alone changes nothing that is said.
    pub is_anchored: bool,
    pub tag: Option<String>,
    /// Where it lies in the text. A literal or folded text begins behind its indicator.
    pub start: usize,
    pub end: usize,
    /// Whether it is written in lines of its own: no flow collection, and no literal or folded text.
    pub style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Plain, quoted, or a flow collection.
    Inline,
    /// A collection in lines.
    Block,
    /// A literal or folded text.
    Lines,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A string.
    Text(String),
    /// A plain scalar that readers may take for something else than a string: a number, a date, `yes`, `null`.
    Plain(String),
    /// A reference to the value with this name.
    Alias(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// A key that stands for its entry; `None` where it is no scalar.
    pub(crate) fn key(&self) -> Option<Key> {
        if self.is_anchored || self.tag.is_some() {
            return None;
        }
        match &self.kind {
            Kind::Text(text) => Some(Key { is_text: true, text: text.clone() }),
            Kind::Plain(text) => Some(Key { is_text: false, text: text.clone() }),
            _ => None,
        }
    }

    /// The keys of a mapping; `None` where one is no scalar, or it is no mapping.
    pub(crate) fn keys(&self) -> Option<Vec<Key>> {
        match &self.kind {
            Kind::Mapping(entries) => entries.iter().map(|(key, _)| key.key()).collect(),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub(crate) fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a sequence.
    pub(crate) fn elements(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(elements) => Some(elements),
            _ => None,
        }
    }

    /// Whether two values say the same: entries in any order, however they are written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        if self.tag != other.tag {
            return false;
        }
        match (&self.kind, &other.kind) {
            (Kind::Text(one), Kind::Text(other)) | (Kind::Plain(one), Kind::Plain(other)) => one == other,
            (Kind::Alias(one), Kind::Alias(other)) => one == other,
            (Kind::Sequence(one), Kind::Sequence(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            (Kind::Mapping(one), Kind::Mapping(other)) => same_entries(one, other),
            _ => false,
        }
    }
}

fn same_entries(one: &[(Node, Node)], other: &[(Node, Node)]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let by_key: HashMap<Key, &Node> =
        other.iter().filter_map(|(key, value)| Some((key.key()?, value))).collect();
    if by_key.len() < other.len() {
        // A key that is no scalar: entries are compared in order.
        return one.iter().zip(other).all(|(one, other)| one.0.same(&other.0) && one.1.same(&other.1));
    }
    one.iter()
        .all(|(key, value)| key.key().and_then(|key| by_key.get(&key)).is_some_and(|other| other.same(value)))
}

/// A key that is a scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    is_text: bool,
    pub text: String,
}

/// Reads a text. The error says what is wrong with it, and where.
pub(crate) fn read(text: &str) -> Result<Stream<'_>, String> {
    let mut reader = Reader {
        text,
        bytes: bytes_of_chars(text),
        names: HashMap::new(),
        open: Vec::new(),
        documents: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        reader.event(event, span)?;
    }
    Ok(Stream { text, documents: reader.documents })
}

/// Where each character begins; `None` where characters are bytes.
fn bytes_of_chars(text: &str) -> Option<Vec<usize>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
}

struct Reader<'t> {
    text: &'t str,
    bytes: Option<Vec<usize>>,
    /// The numbers of anchors by name, as aliases tell them.
    names: HashMap<String, usize>,
    open: Vec<Open>,
    documents: Vec<Node>,
}

/// A collection whose end is not read yet.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<Node>,
    keys: HashSet<Key>,
}

impl Reader<'_> {
    fn byte(&self, index: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.text.len()),
            None => index.min(self.text.len()),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let node = |kind, anchor: usize, tag: Option<std::borrow::Cow<'_, Tag>>, style| Node {
            kind,
            is_anchored: anchor > 0,
            tag: tag.map(|tag| format!("{}{}", tag.handle, tag.suffix)),
            start,
            end,
            style,
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let written = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Lines,
                    _ => Style::Inline,
                };
                let text = text.into_owned();
                let is_plain = style == ScalarStyle::Plain && tag.is_none() && ambiguous(&text);
                let kind = if is_plain { Kind::Plain(text) } else { Kind::Text(text) };
                self.value(node(kind, anchor, tag, written))
            }
            Event::Alias(anchor) => {
                let name = self.text.get(start..end).unwrap_or_default().trim_start_matches('*').to_owned();
                if *self.names.entry(name.clone()).or_insert(anchor) != anchor {
                    return Err(format!("the anchor {name:?} stands for two values"));
                }
                self.value(node(Kind::Alias(name), 0, None, Style::Inline))
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(node(Kind::Sequence(Vec::new()), anchor, tag, self.collection(start)), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(node(Kind::Mapping(Vec::new()), anchor, tag, self.collection(start)), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut closed) = self.open.pop() else { return Ok(()) };
                if closed.node.style == Style::Inline {
                    closed.node.end = end;
                }
                self.value(closed.node)
            }
            _ => Ok(()),
        }
    }

    fn collection(&self, start: usize) -> Style {
        match self.text.as_bytes().get(start) {
            Some(b'[' | b'{') => Style::Inline,
            _ => Style::Block,
        }
    }

    fn begin(&mut self, node: Node, span: Span) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("line {}: it is nested deeper than {DEPTH_MAX}", span.start.line()));
        }
        self.open.push(Open { node, key: None, keys: HashSet::new() });
        Ok(())
    }

    /// A complete value takes its place in the collection that is open, or is a document.
    fn value(&mut self, node: Node) -> Result<(), String> {
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        if open.node.style == Style::Block {
            open.node.end = open.node.end.max(node.end);
        }
        match &mut open.node.kind {
            Kind::Sequence(elements) => elements.push(node),
            Kind::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    if node.key().is_some_and(|key| !open.keys.insert(key)) {
                        let before = self.text.get(..node.start).unwrap_or_default();
                        let line = before.matches('\n').count() + 1;
                        return Err(format!("line {line}: the mapping has a key twice"));
                    }
                    open.key = Some(node);
                }
            },
            _ => {}
        }
        Ok(())
    }
}

/// Whether a plain scalar may be something else than a string, to a reader of YAML 1.1 or 1.2.
fn ambiguous(plain: &str) -> bool {
    const WORDS: [&str; 13] =
        ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "<<", "="];
    let lower = plain.to_ascii_lowercase();
    let begins = plain.chars().next().is_none_or(|first| first.is_ascii_digit() || "+-.~".contains(first));
    begins || WORDS.contains(&lower.as_str())
}
