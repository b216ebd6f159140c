//! From a text to a template, or to what is wrong with it.

use std::path::PathBuf;
use std::str::FromStr;

use super::{Part, PathTemplate, Piece, Placeholder, max_bytes};
use crate::backups::{BackupName, MAX_LOG_NAME_BYTES};

/// Most parts with placeholders, and behind them.
const MAX_PARTS: usize = 16;

const PLACEHOLDERS: &str = "take {worker}, {program}, {logger}, {level} or {field.KEY}";

/// The text is no [`PathTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {reason}")]
pub struct ParsePathTemplateError {
    text: String,
    reason: String,
}

impl FromStr for PathTemplate {
    type Err = ParsePathTemplateError;

    fn from_str(text: &str) -> Result<PathTemplate, ParsePathTemplateError> {
        parse(text).map_err(|reason| ParsePathTemplateError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<PathTemplate, String> {
    let mut parts = split(text)?;
    let is_fixed = |part: &Part| matches!(part[..], [] | [Piece::Text(_)]);
    let Some(first) = parts.iter().position(|part| !is_fixed(part)) else {
        return Err(format!("it names one file: {PLACEHOLDERS}, or give it as a log file"));
    };
    let behind = parts.split_off(first);
    let mut directory = PathBuf::from(if text.starts_with('/') { "/" } else { "" });
    directory.extend(parts.iter().flatten().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Placeholder(_) => "",
    }));
    check(&behind)?;
    Ok(PathTemplate { text: text.to_owned(), directory, parts: behind })
}

/// The parts between slashes; empty where two follow each other.
fn split(text: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut part): (Vec<Part>, Part) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let behind = &rest[sign.len_utf8()..];
        rest = match sign {
            '/' => {
                parts.push(std::mem::take(&mut part));
                behind
            }
            '{' | '}' if behind.starts_with(sign) => {
                push_text(&mut part, sign);
                &behind[1..]
            }
            '{' => {
                let Some((name, behind)) = behind.split_once('}') else {
                    return Err("a { has no }: write {{ for a brace".to_owned());
                };
                part.push(Piece::Placeholder(placeholder(name)?));
                behind
            }
            '}' => return Err("a } has no {: write }} for a brace".to_owned()),
            '\0' => return Err("no path has a NUL".to_owned()),
            _ => {
                push_text(&mut part, sign);
                behind
            }
        };
    }
    parts.push(part);
    Ok(parts)
}

fn push_text(part: &mut Part, sign: char) {
    match part.last_mut() {
        Some(Piece::Text(text)) => text.push(sign),
        _ => part.push(Piece::Text(sign.into())),
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    Ok(match name {
        "worker" => Placeholder::Worker,
        "program" => Placeholder::Program,
        "logger" => Placeholder::Logger,
        "level" => Placeholder::Level,
        _ => match name.strip_prefix("field.") {
            Some(key) if !key.is_empty() => Placeholder::Field(key.to_owned()),
            _ => return Err(format!("there is no {{{name}}}: {PLACEHOLDERS}")),
        },
    })
}

/// The parts from the first placeholder on.
fn check(parts: &[Part]) -> Result<(), String> {
    let texts = |part: &Part| {
        let texts = part.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Placeholder(_) => None,
        });
        texts.collect::<Vec<_>>()
    };
    if parts.iter().any(Vec::is_empty) {
        return Err("there is nothing before or behind a slash: add a name".to_owned());
    }
    if parts.len() > MAX_PARTS || parts.iter().any(|part| max_bytes(part) > MAX_LOG_NAME_BYTES) {
        return Err(format!(
            "it is too long: take fewer placeholders, {MAX_PARTS} parts and {MAX_LOG_NAME_BYTES} bytes \
             in each at most, of which each placeholder takes {}",
            super::MAX_VALUE_BYTES
        ));
    }
    let Some((file_name, directories)) = parts.split_last() else { return Ok(()) };
    if directories.iter().flat_map(texts).any(|text| text.contains('.')) {
        return Err(
            "directories from the first placeholder on have no dots: leave them out".to_owned()
        );
    }
    let texts = texts(file_name);
    if matches!(&file_name[0], Piece::Text(text) if text.starts_with('.')) {
        return Err("the file name begins with a dot, as locks do: leave it out".to_owned());
    }
    let end = texts.last().filter(|_| matches!(file_name.last(), Some(Piece::Text(_))));
    let extension = end.and_then(|text| Some(text.rsplit_once('.')?.1));
    let is_unmistakable = |extension: &str| {
        extension.starts_with(|sign: char| sign.is_ascii_alphabetic())
            && BackupName::parse(&format!("1.{extension}")).is_none()
    };
    if !extension.is_some_and(is_unmistakable) {
        return Err("the file name has to end in an extension such as .log, so that it cannot be \
                    taken for a backup"
            .to_owned());
    }
    Ok(())
}
