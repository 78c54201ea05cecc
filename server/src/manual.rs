//! What a package brings beside the binary: the manual page, and completions for shells.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// The script with which a shell completes commands and flags.
pub(crate) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "holdfast", &mut script);
    text(script)
}

/// One page with all commands: what is said of the program, then a section for each.
pub(crate) fn page(mut command: Command) -> String {
    command.build();
    let mut page = Vec::new();
    let name = command.get_name().to_owned();
    Man::new(command.clone())
        .render(&mut page)
        .and_then(|()| sections(&name, &command, &mut page))
        .expect("there is always room in memory for a page");
    text(page)
}

fn sections(above: &str, command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let subcommands = command.get_subcommands();
    for subcommand in subcommands.filter(|subcommand| subcommand.get_name() != "help") {
        let name = format!("{above} {}", subcommand.get_name());
        writeln!(page, ".SH \"{name}\"")?;
        let man = Man::new(subcommand.clone());
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        sections(&name, subcommand, page)?;
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).expect("what was made of text is text");
    text.trim_end().to_owned()
}
