//! What is wrong in the operator's files: where, what, and how to put it right. Gathered, so that one look shows all of it.

use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1; line 0 stands for the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
}

/// One mistake, with its remedy. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: Arc<str>,
    pub mark: Mark,
    pub message: String,
    /// What to do about it; empty where the message says it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.mark.line > 0 {
            write!(f, ":{}:{}", self.mark.line, self.mark.column)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}

/// All the mistakes of one reading, in the order of the file; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where a reading puts what it notices. Problems refuse the configuration, warnings do not.
#[derive(Debug)]
pub struct Findings {
    file: Arc<str>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// A file with this many mistakes is the wrong file; more would only push the first ones off the screen.
const MAX_FINDINGS: usize = 200;

impl Findings {
    pub fn new(file: Arc<str>) -> Self {
        Self {
            file,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub fn problem(&mut self, mark: Mark, message: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.place(mark, message, remedy);
        push(&mut self.problems, problem);
    }

    pub fn warning(&mut self, mark: Mark, message: impl Into<String>, remedy: impl Into<String>) {
        let warning = self.place(mark, message, remedy);
        push(&mut self.warnings, warning);
    }

    /// `value`, if nothing was wrong, with the warnings; else everything that was.
    pub fn conclude<T>(mut self, value: Option<T>) -> Result<(T, Vec<Problem>), Problems> {
        if self.problems.is_empty() {
            if let Some(value) = value {
                return Ok((value, self.warnings));
            }
            self.problem(Mark::default(), "nothing to serve", "");
        }
        let own = self.file;
        self.problems.sort_by_key(|problem| {
            let other = (problem.file != own).then(|| problem.file.clone());
            (other, problem.mark.line, problem.mark.column)
        });
        Err(Problems(self.problems))
    }

    /// Findings in the same file, apart from these.
    pub fn apart(&self) -> Findings {
        Findings::new(self.file.clone())
    }

    /// Whether there is no problem so far.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// What was found in another file.
    pub fn absorb(&mut self, other: Findings) {
        other
            .problems
            .into_iter()
            .for_each(|problem| push(&mut self.problems, problem));
        other
            .warnings
            .into_iter()
            .for_each(|warning| push(&mut self.warnings, warning));
    }

    /// All that was found, for what may be told otherwise.
    pub fn into_all(self) -> impl Iterator<Item = Problem> {
        self.problems.into_iter().chain(self.warnings)
    }

    fn place(&self, mark: Mark, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            mark,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

fn push(list: &mut Vec<Problem>, problem: Problem) {
    if list.len() < MAX_FINDINGS {
        list.push(problem);
    }
}

/// `did you mean `x`?` for a slip of the pen, else the list of what is possible if it is short.
pub fn suggestion<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(written, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None if known.len() <= MAX_LISTED => format!("known here: {}", known.join(", ")),
        None => format!(
            "known here: {}, and {} more",
            known[..MAX_LISTED].join(", "),
            known.len() - MAX_LISTED
        ),
    }
}

/// A remedy should fit on a line.
const MAX_LISTED: usize = 12;

/// The known name that differs least from what was written, if it is near enough to be meant.
pub fn nearest<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    let allowed = 1 + written.chars().count() / 4;
    let (distance, name) = known
        .iter()
        .map(|name| (edit_distance(written, name), *name))
        .min()?;
    (distance <= allowed).then_some(name)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one name to the other.
fn edit_distance(left: &str, right: &str) -> usize {
    // Names are short; a longer text is no slip of the pen, and its cost would be quadratic.
    const MAX_NAME: usize = 64;
    let left: Vec<char> = left.to_lowercase().chars().take(MAX_NAME).collect();
    let right: Vec<char> = right.to_lowercase().chars().take(MAX_NAME).collect();
    let mut before = vec![0; right.len() + 1];
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let differs = usize::from(left[i - 1] != right[j - 1]);
            row[j] = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + differs);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let known = ["providers", "plugins", "models", "keys"];
        assert_eq!(nearest("provider", &known), Some("providers"));
        assert_eq!(nearest("plguins", &known), Some("plugins"));
        assert_eq!(nearest("Models", &known), Some("models"));
        assert_eq!(nearest("retries", &known), None);
        assert_eq!(edit_distance("abcd", "abdc"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    fn a_problem_reads_as_one_line() {
        let mut findings = Findings::new("penstock.yaml".into());
        findings.problem(
            Mark { line: 3, column: 7 },
            "unknown key `modls`",
            "did you mean `models`?",
        );
        let problems = findings.conclude(Some(())).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "penstock.yaml:3:7: unknown key `modls` (did you mean `models`?)"
        );
    }
}
