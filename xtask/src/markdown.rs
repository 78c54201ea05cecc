//! A page of Markdown as far as the checks need it: links, anchors, and code spans with what stands around them.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The anchors of its headings, as GitHub makes them.
    pub(crate) anchors: Vec<String>,
    /// Where its links and pictures lead, with their lines.
    pub(crate) links: Vec<(String, usize)>,
    /// Its blocks with code spans: paragraphs, items of lists, cells of tables.
    pub(crate) blocks: Vec<Block>,
}

/// The code spans of a block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The heading of its column, when it is a cell of a table.
    pub(crate) column: Option<String>,
    /// In the order of the text.
    pub(crate) spans: Vec<Span>,
}

/// A code span.
#[derive(Debug)]
pub(crate) struct Span {
    /// What stands in the backticks.
    pub(crate) code: String,
    /// From 1 on.
    pub(crate) line: usize,
    /// The text between the span before it and this one.
    pub(crate) before: String,
}

impl Page {
    /// Reads a page.
    pub(crate) fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        let lines = LineStarts::of(text);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            reader.take(event, lines.line(range.start));
        }
        reader.end_block();
        reader.page
    }
}

#[derive(Default)]
struct Reader {
    page: Page,
    block: Block,
    /// The text since the last span.
    before: String,
    /// The text of the heading or of the head cell that is being read.
    title: Option<String>,
    /// How often each anchor came up.
    anchors: BTreeMap<String, usize>,
    columns: Vec<String>,
    column: Option<usize>,
    in_code_block: bool,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: usize) {
        match event {
            Event::Start(tag) => self.start(&tag, line),
            Event::End(tag) => self.end(tag),
            Event::Code(code) => {
                self.add_to_title(&code);
                self.block.spans.push(Span {
                    code: code.into_string(),
                    line,
                    before: std::mem::take(&mut self.before),
                });
            }
            Event::Text(text) if !self.in_code_block => {
                self.add_to_title(&text);
                self.before.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.before.push(' '),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, line: usize) {
        match tag {
            Tag::Paragraph | Tag::Item => self.end_block(),
            Tag::Heading { .. } => {
                self.end_block();
                self.title = Some(String::new());
            }
            Tag::TableHead => {
                self.columns.clear();
                self.column = None;
            }
            Tag::TableRow => self.column = Some(0),
            Tag::TableCell => {
                self.end_block();
                match self.column {
                    None => self.title = Some(String::new()),
                    Some(column) => self.block.column = self.columns.get(column).cloned(),
                }
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.page.links.push((dest_url.to_string(), line));
            }
            Tag::CodeBlock(_) => self.in_code_block = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let title = self.title.take().unwrap_or_default();
                let anchor = self.anchor(&title);
                self.page.anchors.push(anchor);
                self.end_block();
            }
            TagEnd::TableCell => {
                self.end_block();
                match &mut self.column {
                    None => self.columns.push(self.title.take().unwrap_or_default()),
                    Some(column) => *column += 1,
                }
            }
            TagEnd::Paragraph | TagEnd::Item => self.end_block(),
            TagEnd::CodeBlock => self.in_code_block = false,
            _ => {}
        }
    }

    fn add_to_title(&mut self, text: &str) {
        if let Some(title) = &mut self.title {
            title.push_str(text);
        }
    }

    fn end_block(&mut self) {
        self.before.clear();
        let block = std::mem::take(&mut self.block);
        if !block.spans.is_empty() {
            self.page.blocks.push(block);
        }
    }

    /// The anchor that GitHub gives a heading: lower case, no punctuation, `-` for each space, and a number if it is
    /// not the first of its kind.
    fn anchor(&mut self, title: &str) -> String {
        let kept = title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect::<String>();
        let count = self.anchors.entry(kept.clone()).or_default();
        *count += 1;
        match *count - 1 {
            0 => kept,
            repeat => format!("{kept}-{repeat}"),
        }
    }
}

/// Where the lines of a text begin.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_the_anchors_that_github_gives_them() {
        let page =
            Page::parse("# What a call's end proves\n## `serve`: as a *service*\n## A\n## A\n");
        assert_eq!(
            page.anchors,
            ["what-a-calls-end-proves", "serve-as-a-service", "a", "a-1"]
        );
    }

    #[test]
    fn spans_know_their_column_their_line_and_what_stands_before_them() {
        let page = Page::parse(
            "x `a` and `b`\n\n| hazard | guarded by |\n|---|---|\n| `c` | `d`, `e` |\n\n```\n`f`\n```\n",
        );
        let shown: Vec<_> = page
            .blocks
            .iter()
            .flat_map(|block| {
                let column = block.column.as_deref().unwrap_or("-");
                let spans = block.spans.iter();
                spans.map(move |span| {
                    format!("{} {} {column} {:?}", span.code, span.line, span.before)
                })
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a 1 - \"x \"",
                "b 1 - \" and \"",
                "c 5 hazard \"\"",
                "d 5 guarded by \"\"",
                "e 5 guarded by \", \"",
            ]
        );
    }

    #[test]
    fn links_and_pictures_are_both_found() {
        let page = Page::parse("[a](b.md#c)\n![d](e.png)\n[f]\n\n[f]: g.md\n");
        let links: Vec<_> = page
            .links
            .iter()
            .map(|(to, line)| (to.as_str(), *line))
            .collect();
        assert_eq!(links, [("b.md#c", 1), ("e.png", 2), ("g.md", 3)]);
    }
}
