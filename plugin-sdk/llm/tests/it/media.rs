//! Which media a dialect takes as they are: what it says of itself is what its writer does.

use penstock_llm::model::{
    CODECS, ClaudeHost, Codec, Content, Dialect, DocumentType, Media, MediaKind, Message, Part, Request,
    Source, Target,
};
use penstock_llm::openai::Role;

fn codec(dialect: Dialect) -> &'static dyn Codec {
    dialect.codec().expect("it is there")
}

fn at(kind: MediaKind, url: &'static str) -> Media<'static> {
    Media::at_url(kind, url.into())
}

fn with_bytes(media_type: &'static str) -> Media<'static> {
    let mut media = Media::new(MediaKind::Document, Source::Base64("JVBERi0xLjQ=".into()));
    media.media_type = Some(media_type.into());
    media
}

/// Whether a request with the media can be written.
fn is_taken(codec: &dyn Codec, media: Media<'static>, target: &Target<'_>) -> bool {
    // of another dialect than any of the writers', so that none takes it for its own
    let from = match codec.dialect() {
        Dialect::OpenAiChat => Dialect::AnthropicMessages,
        _ => Dialect::OpenAiChat,
    };
    let mut request = Request::new(from, "m".into());
    let parts = vec![Part::text("What is this?"), Part::new(Content::Media(media))];
    request.messages = vec![Message::new(Role::User, parts)];
    codec.write_request(&request, target).is_ok()
}

#[test]
fn a32_each_dialect_says_what_it_needs_the_bytes_of() {
    const PNG: &str = "https://a.test/b.png";
    const PDF: &str = "https://a.test/b.pdf?c=d.txt";
    const TXT: &str = "https://a.test/b.txt";
    const TUBE: &str = "https://www.youtube.com/watch?v=1";
    let usual = Target::new("m");
    let lacking = Target {
        fetches_urls: false,
        ..Target::new("m")
    };
    let vertex = Target {
        claude_host: ClaudeHost::Vertex,
        ..Target::new("m")
    };
    use Dialect::{AnthropicMessages, BedrockConverse, Cohere, Gemini, OpenAiChat};
    use MediaKind::{Audio, Document, Image, Video};
    for (dialect, target, kind, url, needs) in [
        (OpenAiChat, &usual, Image, PNG, false),
        (OpenAiChat, &lacking, Image, PNG, true),
        (OpenAiChat, &usual, Document, PDF, true),
        (OpenAiChat, &usual, Audio, "https://a.test/b.mp3", true),
        (AnthropicMessages, &usual, Image, PNG, false),
        (AnthropicMessages, &usual, Document, PDF, false),
        (AnthropicMessages, &usual, Document, TXT, true),
        (AnthropicMessages, &vertex, Image, PNG, true),
        (AnthropicMessages, &lacking, Document, PDF, true),
        (Gemini, &usual, Image, PNG, false),
        (Gemini, &lacking, Image, PNG, true),
        (Gemini, &lacking, Video, TUBE, false),
        (BedrockConverse, &usual, Image, PNG, true),
        (BedrockConverse, &usual, Document, PDF, true),
        (Cohere, &usual, Image, PNG, false),
        (Cohere, &usual, Document, PDF, true),
    ] {
        assert_eq!(
            codec(dialect).needs_bytes(&at(kind, url), target),
            needs,
            "{dialect:?} {kind:?} {url}"
        );
    }
}

#[test]
fn a_dialect_writes_what_it_says_it_takes_by_its_url() {
    for codec in CODECS {
        for fetches_urls in [true, false] {
            let target = Target {
                fetches_urls,
                ..Target::new("m")
            };
            for media in [
                at(MediaKind::Image, "https://a.test/b.png"),
                at(MediaKind::Document, "https://a.test/b.pdf"),
            ] {
                if !codec.needs_bytes(&media, &target) {
                    let dialect = codec.dialect();
                    let case = format!("{dialect:?} {media:?} {fetches_urls}");
                    assert!(is_taken(*codec, media, &target), "{case}");
                }
            }
        }
    }
}

#[test]
fn a34_a_dialect_writes_the_documents_that_it_says_it_reads() {
    let target = Target::new("m");
    for codec in CODECS {
        for media_type in ["application/pdf", "text/plain", "text/html", "application/json"] {
            let media = with_bytes(media_type);
            if codec.reads_document(&media) {
                assert!(
                    is_taken(*codec, media, &target),
                    "{:?} {media_type}",
                    codec.dialect()
                );
            }
        }
        let text = Media::new(MediaKind::Document, Source::Text("words".into()));
        if codec.reads_document(&text) {
            assert!(is_taken(*codec, text, &target), "{:?}", codec.dialect());
        }
    }
}

#[test]
fn a_documents_type_is_told_by_what_is_said_of_it_by_its_bytes_or_by_its_name() {
    assert_eq!(
        with_bytes("application/pdf").document_type(),
        Some(DocumentType::Pdf)
    );
    assert_eq!(
        with_bytes("text/html; charset=utf-8").document_type(),
        Some(DocumentType::Html)
    );
    assert_eq!(
        with_bytes("application/octet-stream").document_type(),
        Some(DocumentType::Pdf)
    );
    assert_eq!(
        with_bytes("application/zip").document_type(),
        Some(DocumentType::Other)
    );
    let mut named = Media::new(MediaKind::Document, Source::Base64("QUJD".into()));
    assert_eq!(named.document_type(), None);
    named.title = Some("notes.MD".into());
    assert_eq!(named.document_type(), Some(DocumentType::Text));
    assert_eq!(at(MediaKind::Image, "https://a.test/b.pdf").document_type(), None);
}
