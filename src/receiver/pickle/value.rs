//! Values on the stack of a pickle, and the containers they are in.

/// Most values that one pickle may make.
pub(super) const MAX_VALUES: usize = 65_536;

/// What stands on the stack. Text is borrowed from the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Decimal digits of a number beyond `i64`.
    Long(&'a str),
    Float(f64),
    /// Text that may hold surrogates.
    Text(&'a [u8]),
    /// Bytes, each as the character of its number.
    Bytes(&'a str),
    /// Module and name with a newline between, as they stand in the pickle; a name alone has none.
    Global(&'a str),
    Container(u32),
}

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A list, tuple or set.
    List,
    /// Keys and values in turn.
    Dict,
    /// An object of this class, and what it would be made of.
    Object(&'a str),
}

#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) items: Vec<Item<'a>>,
}

/// All containers of a pickle. They may hold each other, and themselves.
#[derive(Debug, Default)]
pub(super) struct Values<'a>(Vec<Container<'a>>);

impl<'a> Values<'a> {
    /// At most [`MAX_VALUES`] are added.
    pub(super) fn add(&mut self, kind: Kind<'a>, items: Vec<Item<'a>>) -> Item<'a> {
        self.0.push(Container { kind, items });
        Item::Container((self.0.len() - 1) as u32)
    }

    pub(super) fn get(&self, container: u32) -> &Container<'a> {
        &self.0[container as usize]
    }

    pub(super) fn get_mut(&mut self, container: u32) -> &mut Container<'a> {
        &mut self.0[container as usize]
    }

    /// The one value that an object is made of, as for a member of an `IntEnum`; else what it is.
    pub(super) fn plain(&self, item: Item<'a>) -> Item<'a> {
        let Item::Container(container) = item else { return item };
        match self.get(container) {
            Container { kind: Kind::Object(_), items } => match items[..] {
                [Item::Container(_)] => item,
                [value] => value,
                _ => item,
            },
            _ => item,
        }
    }
}
