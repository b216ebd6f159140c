//! The stack machine.

use super::super::DecodeError;
use super::object;
use super::value::{Item, Kind, MAX_VALUES, Values};

/// Most digits of a number, as in Python since 3.11 (`sys.int_info.default_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// Most bytes of a module's or a class's name.
const MAX_GLOBAL_BYTES: usize = 1024;

/// What values a dictionary of a record has, and some fields.
const USUAL_ITEMS: usize = 64;

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item<'a>>,
    /// Where on the stack the marks are.
    marks: Vec<usize>,
    memo: Vec<Item<'a>>,
    values: Values<'a>,
    made: usize,
}

impl<'a> Machine<'a> {
    /// All containers, and the value that the pickle is.
    pub(super) fn run(pickle: &'a [u8]) -> Result<(Values<'a>, Item<'a>), DecodeError> {
        let mut machine = Machine {
            rest: pickle,
            stack: Vec::with_capacity(USUAL_ITEMS),
            marks: Vec::new(),
            memo: Vec::with_capacity(USUAL_ITEMS),
            values: Values::default(),
            made: 0,
        };
        loop {
            let [opcode] = machine.take()?;
            if opcode == b'.' {
                return machine.stop();
            }
            machine.step(opcode)?;
        }
    }

    fn stop(self) -> Result<(Values<'a>, Item<'a>), DecodeError> {
        match (&self.stack[..], &self.marks[..], self.rest) {
            ([top], [], []) => Ok((self.values, *top)),
            ([_], [], _) => Err(DecodeError::Trailing),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), DecodeError> {
        match opcode {
            b'X' => {
                let length = u32::from_le_bytes(self.take()?) as usize;
                let text = Item::Text(self.take_slice(length)?);
                self.push(text)?;
                self.put_if_next(text)
            }
            b'q' => {
                let [place] = self.take()?;
                self.put(place.into())
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take()?);
                self.put(place as usize)
            }
            b'h' => {
                let [place] = self.take()?;
                self.get(place.into())
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take()?);
                self.get(place as usize)
            }
            b'(' => self.mark(),
            b'1' => self.pop_to_mark().map(drop),
            b'N' => self.push(Item::Null),
            b'K' => {
                let [number] = self.take()?;
                self.push(Item::Int(number.into()))
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.push(Item::Int(number.into()))
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.push(Item::Int(number.into()))
            }
            b'G' => {
                let number = f64::from_be_bytes(self.take()?);
                self.push(Item::Float(number))
            }
            b'I' => self.boolean(),
            b'L' => self.long(),
            b'}' => self.make(Kind::Dict, Vec::new()),
            b']' | b')' => self.make(Kind::List, Vec::new()),
            b't' => {
                let items = self.pop_to_mark()?;
                self.make(Kind::List, items)
            }
            b's' => {
                let [value, key] = [self.pop()?, self.pop()?];
                let top = self.top()?;
                object::extend(&mut self.values, top, Kind::Dict, &[key, value])
            }
            b'u' => self.extend_to_mark(Kind::Dict),
            b'a' => {
                let item = self.pop()?;
                let top = self.top()?;
                object::extend(&mut self.values, top, Kind::List, &[item])
            }
            b'e' => self.extend_to_mark(Kind::List),
            b'c' => self.global(),
            b'R' => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                let object = object::reduced(&mut self.values, callable, arguments)?;
                self.push(object)
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                object::give_state(&mut self.values, object, state);
                Ok(())
            }
            opcode => Err(DecodeError::Opcode(opcode)),
        }
    }

    #[inline]
    fn push(&mut self, item: Item<'a>) -> Result<(), DecodeError> {
        self.count()?;
        self.stack.push(item);
        Ok(())
    }

    fn make(&mut self, kind: Kind<'a>, items: Vec<Item<'a>>) -> Result<(), DecodeError> {
        let container = self.values.add(kind, items);
        self.push(container)
    }

    /// Bounds all that grows: each of it grows by one opcode that is counted.
    #[inline]
    fn count(&mut self) -> Result<(), DecodeError> {
        self.made += 1;
        if self.made > MAX_VALUES { Err(DecodeError::TooManyValues) } else { Ok(()) }
    }

    fn mark(&mut self) -> Result<(), DecodeError> {
        self.count()?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The value that is on top and above the last mark.
    #[inline]
    fn top(&self) -> Result<Item<'a>, DecodeError> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        self.stack[bottom..].last().copied().ok_or(DecodeError::Malformed)
    }

    fn pop(&mut self) -> Result<Item<'a>, DecodeError> {
        let item = self.top()?;
        self.stack.pop();
        Ok(item)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item<'a>>, DecodeError> {
        let mark = self.marks.pop().ok_or(DecodeError::Malformed)?;
        Ok(self.stack.split_off(mark))
    }

    /// Python's pickler numbers what it may need again from 0 on.
    #[inline]
    fn put(&mut self, place: usize) -> Result<(), DecodeError> {
        let item = self.top()?;
        if place != self.memo.len() {
            return Err(DecodeError::Malformed);
        }
        self.count()?;
        self.memo.push(item);
        Ok(())
    }

    /// Remembers what was just pushed where the pickler does so, which is mostly.
    #[inline]
    fn put_if_next(&mut self, item: Item<'a>) -> Result<(), DecodeError> {
        if let [b'q', place, rest @ ..] = self.rest
            && usize::from(*place) == self.memo.len()
        {
            self.rest = rest;
            self.count()?;
            self.memo.push(item);
        }
        Ok(())
    }

    fn get(&mut self, place: usize) -> Result<(), DecodeError> {
        let item = *self.memo.get(place).ok_or(DecodeError::Malformed)?;
        self.push(item)
    }

    /// Adds what stands above the last mark to what stands below it.
    fn extend_to_mark(&mut self, kind: Kind<'a>) -> Result<(), DecodeError> {
        let mark = self.marks.pop().ok_or(DecodeError::Malformed)?;
        let items = &self.stack[mark..];
        if kind == Kind::Dict && !items.len().is_multiple_of(2) {
            return Err(DecodeError::Malformed);
        }
        let bottom = self.marks.last().copied().unwrap_or(0);
        let holder = self.stack[bottom..mark].last().ok_or(DecodeError::Malformed)?;
        object::extend(&mut self.values, *holder, kind, items)?;
        self.stack.truncate(mark);
        Ok(())
    }

    fn boolean(&mut self) -> Result<(), DecodeError> {
        match self.line(2)? {
            "00" => self.push(Item::Bool(false)),
            "01" => self.push(Item::Bool(true)),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn long(&mut self) -> Result<(), DecodeError> {
        let line = self.line(MAX_DIGITS + 2)?;
        let number = line.strip_suffix('L').ok_or(DecodeError::Malformed)?;
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(DecodeError::Malformed);
        }
        if digits.len() > MAX_DIGITS {
            return Err(DecodeError::TooManyDigits);
        }
        self.push(number.parse().map_or(Item::Long(number), Item::Int))
    }

    fn global(&mut self) -> Result<(), DecodeError> {
        let both = self.rest;
        let module = self.line(MAX_GLOBAL_BYTES)?;
        let name = self.line(MAX_GLOBAL_BYTES)?;
        let both = str::from_utf8(&both[..module.len() + 1 + name.len()]);
        self.push(Item::Global(both.map_err(|_| DecodeError::Malformed)?))
    }

    /// The text up to the next newline, of at most `max_bytes`.
    fn line(&mut self, max_bytes: usize) -> Result<&'a str, DecodeError> {
        let end = self.rest.iter().take(max_bytes + 1).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            let is_short = self.rest.len() <= max_bytes;
            return Err(if is_short { DecodeError::CutShort } else { DecodeError::Malformed });
        };
        let line = self.take_slice(end)?;
        let [_newline] = self.take()?;
        str::from_utf8(line).map_err(|_| DecodeError::Malformed)
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::CutShort)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn take_slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::CutShort)?;
        self.rest = rest;
        Ok(bytes)
    }
}
