//! Rules put to work on a body: which members go, stay or become others, and the splices that this comes to.

use std::borrow::Cow;

use super::check::{NULL, Value, is_same};
use super::{Edits, Field, Object};
use crate::fault::{BodyErrorKind, Fault, Within};
use crate::json::{self, Child, Span};
use crate::splice::Splice;

/// Of one object or array, and places of a body that rules change: as many as a request may have texts. What is noted of
/// each is many times as large as the shortest of them.
const MOST_MEMBERS: usize = 65_536;

/// One member of an object, beside its rules.
struct Member<'b, 'r> {
    child: Child,
    name: Cow<'b, str>,
    field: Option<&'r Field>,
    is_null: bool,
    /// Null, which stays what it is.
    is_void: bool,
    fate: Fate,
}

#[derive(PartialEq)]
enum Fate {
    Stays,
    Becomes(String),
    Goes,
}

impl Object {
    pub(super) fn walk(&self, body: &[u8], span: Span, edits: &mut Edits) -> Result<(), Fault> {
        if self.fields.is_empty() || body.get(span.start) != Some(&b'{') {
            return Ok(());
        }
        let Some(children) = bounded(body, span)? else {
            return Ok(());
        };
        if edits.splices.len() > MOST_MEMBERS {
            return Err(too_many());
        }
        let members = self.members(body, children)?;
        let last_kept = members.iter().rposition(|member| !member.goes());
        for (at, member) in members.iter().enumerate() {
            if !member.goes() {
                member.keep(body, edits)?;
                continue;
            }
            edits.tell(member);
            if last_kept.is_some_and(|kept| at < kept) {
                let until = members[at + 1].child.start();
                let gone = Span::new(member.child.start(), until);
                edits.splices.push(Splice::delete(gone));
            }
        }
        self.end(&members, span, last_kept, edits)
    }

    /// The members with what becomes of each.
    fn members<'b>(&self, body: &'b [u8], children: Vec<Child>) -> Result<Vec<Member<'b, '_>>, Fault> {
        let mut members = Vec::with_capacity(children.len());
        for child in children {
            let name = child
                .key
                .map_or(Cow::Borrowed(""), |key| json::unescape(key.of(body)));
            let field = self.find(&name);
            let fate = match field {
                Some(field) => self.fate(field, child.value.of(body)).within(&name)?,
                None => Fate::Stays,
            };
            let is_null = child.value.of(body) == NULL.as_bytes();
            members.push(Member {
                child,
                name,
                field,
                is_null,
                is_void: is_null && fate == Fate::Stays,
                fate,
            });
        }
        overtake(&mut members);
        Ok(members)
    }

    fn fate(&self, field: &Field, value: &[u8]) -> Result<Fate, Fault> {
        // the text of a value is only looked at where it counts: most of a body is in one field
        if field.actions.is_empty() && field.rename.is_none() {
            return Ok(Fate::Stays);
        }
        let Ok(came) = std::str::from_utf8(value) else {
            return Ok(Fate::Stays);
        };
        Ok(match self.sent(field, Some(Cow::Borrowed(came)))? {
            None => Fate::Goes,
            Some(sent) if is_same(&sent, came) => Fate::Stays,
            Some(sent) => Fate::Becomes(sent.into_owned()),
        })
    }

    /// What is sent for a field: under its rules, then under those of its new name.
    fn sent<'v>(&'v self, field: &'v Field, came: Value<'v>) -> Result<Value<'v>, Fault> {
        let mut value = came;
        let renamed = field.rename.as_deref().and_then(|to| self.find(to));
        for action in field
            .actions
            .iter()
            .chain(renamed.iter().flat_map(|field| &field.actions))
        {
            value = action.sent(value)?;
        }
        Ok(value)
    }

    /// What is added at an object's end, and what is taken away there, with the comma before.
    fn end(
        &self,
        members: &[Member<'_, '_>],
        span: Span,
        last_kept: Option<usize>,
        edits: &mut Edits,
    ) -> Result<(), Fault> {
        let at = match (last_kept, members.first()) {
            (Some(kept), _) => members[kept].child.value.end,
            (None, Some(first)) => first.child.start(),
            (None, None) => span.start + 1,
        };
        let added = self.added(members, last_kept.is_some())?;
        if !added.is_empty() {
            edits.splices.push(Splice::insert(at, added));
        }
        if let Some(last) = members.last()
            && last_kept.is_none_or(|kept| kept + 1 < members.len())
        {
            let gone = Span::new(at, last.child.value.end);
            edits.splices.push(Splice::delete(gone));
        }
        Ok(())
    }

    /// The members for fields that are not there, as text.
    fn added(&self, members: &[Member<'_, '_>], mut is_preceded: bool) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for field in &self.fields {
            let name = field.new_name();
            let is_there = |member: &Member<'_, '_>| {
                *member.name == *field.key || (!member.goes() && member.new_name() == name)
            };
            if field.actions.is_empty() || names.contains(&name) || members.iter().any(is_there) {
                continue;
            }
            let Some(value) = self.sent(field, None).within(&field.key)? else {
                continue;
            };
            if is_preceded {
                text.push(b',');
            }
            is_preceded = true;
            json::escape_into(name, &mut text);
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
            names.push(name);
        }
        Ok(text)
    }

    fn find(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| *field.key == *key)
    }
}

/// Lets members go whose place is another's: their new name is taken, or they are a null under a name that another gets.
/// Takes as long as there are members, however many there are.
fn overtake(members: &mut [Member<'_, '_>]) {
    let taken = taken(members);
    if taken.is_empty() {
        return;
    }
    let mut given: Vec<&str> = Vec::new();
    let mut valued: Vec<&str> = Vec::new();
    for member in &mut *members {
        let Some(to) = member.rename() else { continue };
        let is_taken = taken.iter().any(|(name, by)| *name == to && by.is_before(member));
        if is_taken || given.contains(&to) {
            member.fate = Fate::Goes;
        } else if !member.goes() {
            given.push(to);
            valued.extend((!member.is_void).then_some(to));
        }
    }
    for member in members.iter_mut().filter(|member| member.is_void) {
        if member.rename().is_none() && valued.contains(&&*member.name) {
            member.fate = Fate::Goes;
        }
    }
}

/// How many members have a name of their own that others are to get.
#[derive(Clone, Copy, Default)]
struct Taken {
    valued: usize,
    void: usize,
}

impl Taken {
    /// A value is before all, and a null before a null.
    fn is_before(self, member: &Member<'_, '_>) -> bool {
        let itself = usize::from(member.rename() == Some(&member.name));
        let (own_value, own_void) = match member.is_void {
            true => (0, itself),
            false => (itself, 0),
        };
        self.valued > own_value || (member.is_void && self.void > own_void)
    }
}

/// The names that members get, with those that have them already.
fn taken<'r>(members: &[Member<'_, 'r>]) -> Vec<(&'r str, Taken)> {
    let mut taken: Vec<(&str, Taken)> = Vec::new();
    for to in members.iter().filter_map(Member::rename) {
        if taken.iter().all(|(name, _)| *name != to) {
            taken.push((to, Taken::default()));
        }
    }
    for member in members {
        let Some((_, by)) = taken.iter_mut().find(|(name, _)| *name == member.name) else {
            continue;
        };
        match member.is_void {
            true => by.void += 1,
            false => by.valued += 1,
        }
    }
    taken
}

/// Everything directly inside a value, if rules can be about that.
fn bounded(body: &[u8], span: Span) -> Result<Option<Vec<Child>>, Fault> {
    let children = json::first_children(body, span, MOST_MEMBERS + 1);
    match children.as_ref().is_some_and(|all| all.len() > MOST_MEMBERS) {
        true => Err(too_many()),
        false => Ok(children),
    }
}

#[cold]
fn too_many() -> Fault {
    let what = format!("has more than {MOST_MEMBERS} members, elements or places for a rule: send fewer");
    Fault::new(BodyErrorKind::TooMany, "", what)
}

impl<'r> Member<'_, 'r> {
    fn goes(&self) -> bool {
        self.fate == Fate::Goes
    }

    fn rename(&self) -> Option<&'r str> {
        self.field?.rename.as_deref()
    }

    fn new_name(&self) -> &str {
        self.rename().unwrap_or(&self.name)
    }

    /// The edits of a member that stays.
    fn keep(&self, body: &[u8], edits: &mut Edits) -> Result<(), Fault> {
        let Some(field) = self.field else { return Ok(()) };
        if let (Some(to), Some(key)) = (&field.rename, self.child.key) {
            let mut literal = Vec::with_capacity(to.len() + 2);
            json::escape_into(to, &mut literal);
            edits.splices.push(Splice::new(key, literal));
            edits.tell(self);
        }
        let Fate::Becomes(value) = &self.fate else {
            return field.inside(body, self.child.value, edits).within(&self.name);
        };
        edits.splices.push(Splice::new(self.child.value, value.clone()));
        if !self.is_null {
            edits.tell(self);
        }
        Ok(())
    }
}

impl Field {
    fn new_name(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.key)
    }

    /// The edits inside of a value.
    fn inside(&self, body: &[u8], value: Span, edits: &mut Edits) -> Result<(), Fault> {
        self.within.walk(body, value, edits)?;
        let Some(each) = &self.each else { return Ok(()) };
        if body.get(value.start) != Some(&b'[') {
            return Ok(());
        }
        let elements = bounded(body, value)?.unwrap_or_default();
        for (at, element) in elements.iter().enumerate() {
            let walked = each.inside(body, element.value, edits);
            walked.map_err(|fault| fault.within_element(at))?;
        }
        Ok(())
    }
}

impl Edits {
    fn tell(&mut self, member: &Member<'_, '_>) {
        let Some(field) = member.field else { return };
        let moved = matches!(&*field.path, "model" | "stream");
        if !moved && !self.told.contains(&field.path) {
            self.told.push(field.path.clone());
        }
    }
}
