//! What an embedding is for: models that are told embed questions and their answers differently.

use super::Dialect;
use crate::model::{Losses, Text};

/// What the embeddings are for, with the dialect's own word.
#[derive(Clone, Debug, PartialEq)]
pub struct Task<'a> {
    pub kind: TaskKind,
    pub native: Text<'a>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// To search with.
    Query,
    /// To be found.
    Document,
    Classification,
    Clustering,
    Similarity,
    QuestionAnswering,
    FactVerification,
    CodeQuery,
    Image,
    /// A word that is not known.
    Other,
}

impl<'a> Task<'a> {
    /// By the word of any dialect: none means different things in two of them.
    pub fn named(native: Text<'a>) -> Task<'a> {
        let kind = match native.get().to_ascii_lowercase().as_str() {
            "query" | "search_query" | "retrieval_query" | "retrieval.query" => TaskKind::Query,
            "document" | "passage" | "search_document" | "retrieval_document" | "retrieval.passage" => {
                TaskKind::Document
            }
            "classification" => TaskKind::Classification,
            "clustering" => TaskKind::Clustering,
            "similarity" | "semantic_similarity" | "text-matching" => TaskKind::Similarity,
            "question_answering" => TaskKind::QuestionAnswering,
            "fact_verification" => TaskKind::FactVerification,
            "code_retrieval_query" => TaskKind::CodeQuery,
            "image" => TaskKind::Image,
            _ => TaskKind::Other,
        };
        Task { kind, native }
    }

    pub fn into_owned(self) -> Task<'static> {
        Task {
            kind: self.kind,
            native: self.native.into_owned(),
        }
    }

    /// The word for it in a dialect: its own where the task comes from there. What has none, or the nearest one only, is
    /// a loss.
    pub(super) fn word(&self, own: bool, to: Dialect, losses: &mut Losses) -> Option<Text<'_>> {
        if own {
            return Some(self.native.borrowed());
        }
        let word = match to {
            Dialect::Cohere | Dialect::BedrockCohere => self.cohere(),
            Dialect::Voyage => self.voyage(),
            Dialect::Gemini | Dialect::GeminiBatch | Dialect::VertexPredict => self.gemini(),
            Dialect::OpenAi | Dialect::BedrockTitan => None,
        };
        match word {
            Some((word, true)) => Some(Text::plain(word)),
            Some((word, false)) => {
                losses.changed("task", "the provider has no word for it: the nearest one goes");
                Some(Text::plain(word))
            }
            None => {
                losses.dropped("task", super::NO_SUCH);
                None
            }
        }
    }

    /// The word, and whether it is the same.
    fn cohere(&self) -> Option<(&'static str, bool)> {
        Some(match self.kind {
            TaskKind::Query => ("search_query", true),
            TaskKind::Document => ("search_document", true),
            TaskKind::Classification => ("classification", true),
            TaskKind::Clustering => ("clustering", true),
            TaskKind::Image => ("image", true),
            TaskKind::Similarity => ("clustering", false),
            TaskKind::QuestionAnswering | TaskKind::FactVerification | TaskKind::CodeQuery => {
                ("search_query", false)
            }
            TaskKind::Other => return None,
        })
    }

    fn voyage(&self) -> Option<(&'static str, bool)> {
        Some(match self.kind {
            TaskKind::Query => ("query", true),
            TaskKind::Document => ("document", true),
            TaskKind::QuestionAnswering | TaskKind::FactVerification | TaskKind::CodeQuery => {
                ("query", false)
            }
            // without a word Voyage embeds for no purpose in particular
            _ => return None,
        })
    }

    fn gemini(&self) -> Option<(&'static str, bool)> {
        Some(match self.kind {
            TaskKind::Query => ("RETRIEVAL_QUERY", true),
            TaskKind::Document => ("RETRIEVAL_DOCUMENT", true),
            TaskKind::Classification => ("CLASSIFICATION", true),
            TaskKind::Clustering => ("CLUSTERING", true),
            TaskKind::Similarity => ("SEMANTIC_SIMILARITY", true),
            TaskKind::QuestionAnswering => ("QUESTION_ANSWERING", true),
            TaskKind::FactVerification => ("FACT_VERIFICATION", true),
            TaskKind::CodeQuery => ("CODE_RETRIEVAL_QUERY", true),
            TaskKind::Image | TaskKind::Other => return None,
        })
    }
}
