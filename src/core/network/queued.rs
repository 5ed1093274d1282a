//! Which of a node's registrations that wait for the root a newer one makes needless, and how many writes of a key wait.

use super::NodeId;
use super::node::MAX_A_SECOND;

/// The most writes of a node that one key may have wait: a node that is in the directory must not fill the queue.
const MAX_WAITING: usize = 16;

/// A write of a node that waits for the root, or is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// Whether it is a registration.
    pub registration: bool,
    /// Whose key signed it: the node's, or the administrator's.
    pub signer: NodeId,
    /// When it was signed, in seconds since 1970.
    pub created: u64,
    /// What it shows to be admitted.
    pub authorization: Option<&'a str>,
    /// What it says.
    pub body: &'a [u8],
    /// Whether it may be on its way to the root: then it stays.
    pub sent: bool,
}

/// Where a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: a registration waits that was signed later, after which the root takes this one no more.
    Nowhere,
    /// Into the place of the node's last one, which says the same; the others of so many last ones go.
    OfLast(usize),
    /// To the end; so many of the node's last ones go.
    End(usize),
    /// Nowhere: too many of its key wait.
    TooMany,
}

/// Where a write goes, among those of its node, which are given in their order.
///
/// Only registrations behind the node's last other write are replaced, so that a removal or a ban finds what it is about. What
/// replaces them was signed later and shows the same token. One that says the same keeps the place, and with it the
/// claim to the name.
#[must_use]
pub fn place(waiting: &[Waiting<'_>], new: &Waiting<'_>) -> Place {
    let mut registrations = waiting.iter().filter(|one| one.registration);
    if new.registration && registrations.any(|one| one.created > new.created) {
        return Place::Nowhere;
    }
    let gone = if new.registration {
        replaced_by(waiting, new)
    } else {
        0
    };
    // What goes is the same key's: nobody else registers the node.
    let own = || waiting.iter().filter(|one| one.signer == new.signer);
    let of_second = own().filter(|one| one.created == new.created).count();
    if of_second >= MAX_A_SECOND || own().count() >= MAX_WAITING + gone {
        return Place::TooMany;
    }
    match waiting.last() {
        Some(last) if gone > 0 && last.body == new.body => Place::OfLast(gone),
        _ => Place::End(gone),
    }
}

/// How many of the last ones a registration stands for.
fn replaced_by(waiting: &[Waiting<'_>], new: &Waiting<'_>) -> usize {
    let replaced = |one: &&Waiting<'_>| {
        one.registration
            && !one.sent
            && one.created < new.created
            && one.authorization == new.authorization
    };
    waiting.iter().rev().take_while(replaced).count()
}

#[cfg(test)]
mod tests {
    use super::{MAX_A_SECOND, MAX_WAITING, NodeId, Place, Waiting, place};

    fn registration(created: u64, body: &'static str) -> Waiting<'static> {
        Waiting {
            registration: true,
            signer: NodeId::new([1; 8]),
            created,
            authorization: Some("token"),
            body: body.as_bytes(),
            sent: false,
        }
    }

    #[test]
    fn a_newer_registration_stands_for_those_before_it_and_for_nothing_else() {
        let new = registration(9, "a");
        let removal = Waiting {
            registration: false,
            ..registration(5, "")
        };
        let sent = Waiting {
            sent: true,
            ..registration(5, "a")
        };
        let stranger = Waiting {
            authorization: None,
            ..registration(5, "a")
        };
        let (same, other) = (registration(4, "a"), registration(4, "b"));
        let cases: [(&[Waiting<'_>], Place); 9] = [
            (&[], Place::End(0)),
            (&[same], Place::OfLast(1)),
            (&[other, same], Place::OfLast(2)),
            (&[same, other], Place::End(2)),
            (&[same, removal], Place::End(0)),
            (&[same, removal, other, same], Place::OfLast(2)),
            (&[sent], Place::End(0)),
            (&[same, stranger], Place::End(0)),
            (&[sent, same], Place::OfLast(1)),
        ];
        for (waiting, wanted) in cases {
            assert_eq!(place(waiting, &new), wanted, "{waiting:?}");
        }
        assert_eq!(place(&[same], &removal), Place::End(0));
    }

    #[test]
    fn a_key_has_so_many_writes_wait_and_those_of_another_do_not_count() {
        let removal = |created| Waiting {
            registration: false,
            ..registration(created, "")
        };
        let ban = |created| Waiting {
            signer: NodeId::new([2; 8]),
            ..removal(created)
        };
        let mut full: Vec<_> = (0..MAX_WAITING as u64).map(removal).collect();
        assert_eq!(place(&full[1..], &removal(99)), Place::End(0));
        assert_eq!(place(&full, &removal(99)), Place::TooMany);
        assert_eq!(place(&full, &registration(99, "a")), Place::TooMany);
        assert_eq!(place(&full, &ban(99)), Place::End(0));
        full[MAX_WAITING - 1] = registration(50, "a");
        assert_eq!(place(&full, &registration(99, "a")), Place::OfLast(1));
        let second: Vec<_> = (0..MAX_A_SECOND).map(|_| removal(7)).collect();
        assert_eq!(place(&second, &removal(7)), Place::TooMany);
        assert_eq!(place(&second, &removal(8)), Place::End(0));
        assert_eq!(place(&second, &ban(7)), Place::End(0));
    }

    #[test]
    fn what_is_older_replaces_nothing() {
        let waiting = [registration(9, "a")];
        assert_eq!(place(&waiting, &registration(8, "b")), Place::Nowhere);
        assert_eq!(place(&waiting, &registration(9, "b")), Place::End(0));
    }
}
