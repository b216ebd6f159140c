//! What commands say behind their options, wrapped where the terminal ends and nowhere else.

use clap::Command;

/// The command with paragraphs of one line each, which clap wraps at any width. In the source they are broken.
pub(crate) fn unbroken(command: Command) -> Command {
    let text = command.get_after_help().map(|text| without_breaks(&text.to_string()));
    let command = command.mut_subcommands(unbroken);
    match text {
        Some(text) => command.after_help(text),
        None => command,
    }
}

/// The text with each paragraph on one line; lines that begin with a space stay as they are.
fn without_breaks(text: &str) -> String {
    let (mut joined, mut goes_on) = (String::new(), false);
    for line in text.lines() {
        let is_prose = !line.is_empty() && !line.starts_with(' ');
        if !joined.is_empty() {
            joined.push(if is_prose && goes_on { ' ' } else { '\n' });
        }
        joined.push_str(line);
        goes_on = is_prose;
    }
    joined
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn paragraphs_are_joined_and_lists_stay() {
        let text =
            "Examples:\n  one\n  two\n\nFirst line,\nsecond line:\n  a list\nThen more\ntext.";
        let joined =
            "Examples:\n  one\n  two\n\nFirst line, second line:\n  a list\nThen more text.";
        assert_eq!(without_breaks(text), joined);
    }

    #[test]
    fn no_command_has_a_line_that_ends_before_it_has_to() {
        let mut commands = vec![unbroken(Cli::command())];
        while let Some(command) = commands.pop() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert_eq!(without_breaks(&text), text, "{}", command.get_name());
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
