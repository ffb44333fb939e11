//! Where a provider has the pages of an API, if elsewhere than the API's own documentation says, and what it wants in
//! every query. Taken apart when the configuration is read; which page a call is for is dispatch's.

use std::fmt::Write as _;

/// The pages of one provider. Without any, every page is where it usually is, under the base path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pages {
    pub own: Vec<OwnPage>,
    /// For the pages that are not among `own`.
    pub others: Option<PathTemplate>,
    /// Names and values that go into every query, encoded already.
    pub query: Vec<(Box<str>, Box<str>)>,
}

/// One page that is elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnPage {
    /// The usual path, `{model}` included where it has that.
    pub page: Box<str>,
    /// For streamed answers only.
    pub streamed: bool,
    pub path: PathTemplate,
}

/// A path below the base path, such as `/deployments/{model}{path}`.
#[derive(Debug, PartialEq, Eq)]
pub struct PathTemplate(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// The provider's name for the model, as one part of a path.
    Model,
    /// The path as it usually is.
    Usual,
}

impl PathTemplate {
    /// None where braces hold anything but `model` or `path`, or are not closed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}')?;
            pieces.extend((!before.is_empty()).then(|| Piece::Text(before.into())));
            pieces.push(match name {
                "model" => Piece::Model,
                "path" => Piece::Usual,
                _ => return None,
            });
            rest = behind;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.into())));
        (!rest.contains('}')).then_some(Self(pieces))
    }

    /// Whether the model is a part of the path, which then must not be able to leave its place.
    pub fn has_model(&self) -> bool {
        self.0.contains(&Piece::Model)
    }

    fn write(&self, usual: &str, model: &str, path: &mut String) {
        for piece in &self.0 {
            path.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Model => model,
                Piece::Usual => usual,
            });
        }
    }
}

impl Pages {
    /// Where `page` is, if not where it usually is.
    pub fn find(&self, page: &str, streams: bool) -> Option<&PathTemplate> {
        let own = |streamed: bool| {
            let fits = |own: &&OwnPage| own.streamed == streamed && *own.page == *page;
            self.own.iter().find(fits).map(|own| &own.path)
        };
        let for_streams = if streams { own(true) } else { None };
        for_streams.or_else(|| own(false)).or(self.others.as_ref())
    }

    /// Path and query of a page below `base_path`. `usual` is its path with the model in it, `model` the model as one part
    /// of a path.
    pub fn path(&self, base_path: &str, template: Option<&PathTemplate>, usual: &str, model: &str) -> String {
        let mut path = String::with_capacity(base_path.len() + usual.len() + 32);
        path.push_str(base_path);
        match template {
            Some(template) => template.write(usual, model, &mut path),
            None => path.push_str(usual),
        }
        self.add_query(&mut path, |_| false);
        path
    }

    /// Path and query of a page that has nothing to do with a model.
    pub fn plain_path(&self, base_path: &str, usual: &str) -> String {
        let page = usual.split('?').next().unwrap_or(usual);
        let template = self.find(page, false).filter(|template| !template.has_model());
        self.path(base_path, template, usual, "")
    }

    /// Adds what every query has to have and `is_there` does not know of.
    pub fn add_query(&self, path: &mut String, is_there: impl Fn(&str) -> bool) {
        for (name, value) in self.query.iter().filter(|(name, _)| !is_there(name)) {
            let mark = if path.contains('?') { '&' } else { '?' };
            // a String takes whatever is written to it
            let _ = write!(path, "{mark}{name}={value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    fn own(page: &str, streamed: bool, path: &str) -> OwnPage {
        OwnPage {
            page: page.into(),
            streamed,
            path: template(path),
        }
    }

    #[test]
    fn a_page_is_where_the_provider_has_it() {
        let pages = Pages {
            own: vec![
                own("/chat/completions", true, "/text/stream"),
                own("/chat/completions", false, "/text/chat"),
            ],
            others: Some(template("/deployments/{model}{path}")),
            query: vec![("api-version".into(), "1".into())],
        };
        let at = |page: &str, streams| pages.path("/openai", pages.find(page, streams), page, "gpt%2F4");
        assert_eq!(at("/chat/completions", false), "/openai/text/chat?api-version=1");
        assert_eq!(at("/chat/completions", true), "/openai/text/stream?api-version=1");
        assert_eq!(
            at("/embeddings?a=b", true),
            "/openai/deployments/gpt%2F4/embeddings?a=b&api-version=1"
        );
        assert_eq!(Pages::default().path("/v1", None, "/chat", "m"), "/v1/chat");
        // files are not a model's
        assert_eq!(
            pages.plain_path("/openai", "/files?purpose=a"),
            "/openai/files?purpose=a&api-version=1"
        );
    }

    #[test]
    fn other_words_in_braces_are_no_template() {
        for wrong in ["/{modle}", "/{model", "/model}", "/{}"] {
            assert_eq!(PathTemplate::parse(wrong), None, "{wrong}");
        }
    }
}
