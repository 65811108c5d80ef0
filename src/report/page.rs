//! The page: sections of text, tables and figures in one file that needs nothing else.

use super::figure::Figure;
use super::palette;
use super::svg::escape;
use crate::out::PAGE;
use std::fmt::Write;

/// One part of the report.
pub struct Section {
    /// Its anchor: lower case and hyphens.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// How to read it.
    pub lead: String,
    /// What it shows.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
pub enum Block {
    /// A heading within the section.
    Heading(String),
    /// Ready HTML, such as a [`table`].
    Html(String),
    /// Pictures.
    Figure(Figure),
}

impl Section {
    /// A section without contents.
    pub fn new(id: &'static str, title: &'static str, lead: impl Into<String>) -> Section {
        Section { id, title, lead: lead.into(), blocks: Vec::new() }
    }

    /// Adds a piece.
    pub fn with(mut self, block: Block) -> Section {
        self.blocks.push(block);
        self
    }

    /// Its figures.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    /// The same, to be changed.
    pub fn figures_mut(&mut self) -> impl Iterator<Item = &mut Figure> {
        self.blocks.iter_mut().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    fn html(&self) -> String {
        let mut text = format!(
            "<section id=\"{}\">\n<h2>{}</h2>\n<p class=\"lead\">{}</p>\n",
            self.id,
            self.title,
            escape(&self.lead)
        );
        let side = self.is_beside();
        if side {
            text.push_str("<div class=\"side\">\n");
        }
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => {
                    let _ = writeln!(text, "<h3>{}</h3>", breakable(heading));
                }
                Block::Html(html) => text.push_str(html),
                Block::Figure(figure) => text.push_str(&figure.html()),
            }
        }
        if side {
            text.push_str("</div>\n");
        }
        text + "</section>\n"
    }

    /// Whether it is one picture and its table, which have room beside each other.
    fn is_beside(&self) -> bool {
        matches!(&*self.blocks, [Block::Figure(figure), Block::Html(_)] if figure.panels.len() == 1)
    }
}

/// Letters of a cell that needs a line of its own on a narrow page.
const WIDE: usize = 40;

/// A table whose cells are HTML already; a heading that begins with `#` is above numbers.
pub fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::from("<div class=\"scroll\"><table>\n");
    if !caption.is_empty() {
        let _ = writeln!(text, "<caption>{}</caption>", escape(caption));
    }
    let label = |column: usize| escape(head.get(column).map_or("", |name| name.trim_start_matches('#')));
    let class = |column: usize, cell: &str| match head.get(column).is_some_and(|name| name.starts_with('#')) {
        true => " class=\"number\"",
        // what takes a line of its own where there is no room beside it
        false if cell.len() > WIDE && cell.contains("<code>") => " class=\"wide\"",
        false => "",
    };
    text.push_str("<thead><tr>");
    for column in 0..head.len() {
        let _ = write!(text, "<th scope=\"col\"{}>{}</th>", class(column, ""), label(column));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = match column {
                0 => write!(text, "<th scope=\"row\">{cell}</th>"),
                _ => write!(text, "<td{} data-label=\"{}\">{cell}</td>", class(column, cell), label(column)),
            };
        }
        text.push_str("</tr>\n");
    }
    text + "</tbody>\n</table></div>\n"
}

/// A name that may be broken after its signs.
pub fn breakable(name: &str) -> String {
    let parts: Vec<String> = name.split_inclusive(['+', '-', ',', ':', '.', '_', '/']).map(escape).collect();
    parts.join("<wbr />")
}

/// The whole page; warnings stand above everything.
pub fn page(title: &str, subtitle: &str, warnings: &[String], sections: &[Section]) -> String {
    let title = escape(title);
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n\
         <meta name=\"color-scheme\" content=\"light dark\" />\n{PAGE}\n<title>{title}</title>\n<style>\n\
         :root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n",
        palette::variables(0),
        palette::variables(1),
        include_str!("style.css"),
        escape(subtitle)
    );
    for warning in warnings {
        let _ = writeln!(text, "<p class=\"warning\" role=\"note\">{}</p>", escape(warning));
    }
    if sections.len() > 1 {
        text.push_str("<nav aria-label=\"Contents\"><ul>");
        for section in sections {
            let _ = write!(text, "<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
        }
        text.push_str("</ul></nav>\n");
    }
    text.push_str("</header>\n<main>\n");
    for section in sections {
        text.push_str(&section.html());
    }
    text + "</main>\n</body>\n</html>\n"
}
