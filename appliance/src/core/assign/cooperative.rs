//! `cooperative-sticky`: members keep what they have, as far as the shares stay even, and go on
//! reading it meanwhile.
//!
//! **Invariants.** A partition that is to move is first taken from the member that has it, and
//! given to nobody: when that member has let go, it joins again, and the next round gives it away.
//! So two members never read the same at the same time. Shares of members that want the same differ
//! by one at most, counted when all rounds are over.
use std::collections::{BTreeMap, BTreeSet};

use super::group::{Assignment, Counts, Member, Place, nothing, wanted};

/// What clients call it.
pub const NAME: &str = "cooperative-sticky";

/// Assigns what can be assigned in this round.
#[must_use]
pub fn assign(members: &[Member], counts: &Counts) -> Assignment {
    let wanted = wanted(members, counts);
    let owners = owners(members, &wanted);
    let mut assignment = balanced(members, &wanted, &owners);
    for (id, places) in &mut assignment {
        places.retain(|place| owners.get(place).is_none_or(|owner| owner == id));
    }
    assignment
}

/// Who has what. A claim of an older generation gives way; of equal claims none counts.
fn owners(members: &[Member], wanted: &BTreeSet<Place>) -> BTreeMap<Place, String> {
    let mut claims: BTreeMap<&Place, (i32, Option<&Member>)> = BTreeMap::new();
    for member in members {
        for place in &member.owned {
            if !wanted.contains(place) || !member.topics.contains(&place.0) {
                continue;
            }
            let claim = claims.entry(place).or_insert((member.generation, None));
            match (member.generation.cmp(&claim.0), claim.1) {
                (std::cmp::Ordering::Less, _) => {}
                (std::cmp::Ordering::Equal, Some(_)) => claim.1 = None,
                (std::cmp::Ordering::Equal, None) | (std::cmp::Ordering::Greater, _) => {
                    *claim = (member.generation, Some(member));
                }
            }
        }
    }
    let owner = |(place, (_, member)): (&Place, (i32, Option<&Member>))| {
        member.map(|member| (place.clone(), member.id.clone()))
    };
    claims.into_iter().filter_map(owner).collect()
}

/// Everybody's share in the end.
fn balanced(
    members: &[Member],
    wanted: &BTreeSet<Place>,
    owners: &BTreeMap<Place, String>,
) -> Assignment {
    let mut shares = nothing(members);
    let mut free = Vec::new();
    for place in wanted {
        match owners.get(place).and_then(|owner| shares.get_mut(owner)) {
            Some(share) => {
                share.insert(place.clone());
            }
            None => free.push(place),
        }
    }
    for place in free {
        if let Some(id) = least(members, &shares, &place.0)
            && let Some(share) = shares.get_mut(&id)
        {
            share.insert(place.clone());
        }
    }
    // Each move makes the sum of the squares of the shares smaller: this ends.
    while let Some((place, from, to)) = unfair(members, &shares) {
        shares.get_mut(&from).map(|share| share.remove(&place));
        shares.get_mut(&to).map(|share| share.insert(place));
    }
    shares
}

fn size(shares: &Assignment, id: &str) -> usize {
    shares.get(id).map_or(0, BTreeSet::len)
}

/// The member with the smallest share of those that want the topic.
fn least(members: &[Member], shares: &Assignment, topic: &str) -> Option<String> {
    let takers = members.iter().filter(|member| member.topics.contains(topic));
    takers.map(|m| m.id.as_str()).min_by_key(|id| (size(shares, id), *id)).map(str::to_owned)
}

/// A partition that makes the shares more even when it moves, from whom, and to whom.
fn unfair(members: &[Member], shares: &Assignment) -> Option<(Place, String, String)> {
    let mut by_size: Vec<&str> = shares.keys().map(String::as_str).collect();
    by_size.sort_by_key(|id| (std::cmp::Reverse(size(shares, id)), *id));
    for from in by_size {
        let topics: BTreeSet<&str> = shares.get(from)?.iter().map(|(t, _)| t.as_str()).collect();
        let to = topics
            .into_iter()
            .filter_map(|topic| least(members, shares, topic).map(|to| (topic, to)))
            .find(|(_, to)| size(shares, from) > size(shares, to) + 1);
        if let Some((topic, to)) = to {
            let place = shares.get(from)?.iter().rev().find(|(of, _)| of == topic)?;
            return Some((place.clone(), from.to_owned(), to));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(all: &[i32]) -> Counts {
        (0..).zip(all).map(|(n, count): (usize, _)| (format!("t{n}"), *count)).collect()
    }

    fn member(id: usize, topics: impl IntoIterator<Item = usize>) -> Member {
        let topics = topics.into_iter().map(|n| format!("t{n}")).collect();
        Member { id: format!("m{id}"), topics, generation: -1, ..Member::default() }
    }

    /// Rounds until nothing changes, each member holding on to what it has: how many there were.
    /// In none of them has a partition two owners.
    fn settle(members: &mut [Member], counts: &Counts, generation: &mut i32) -> usize {
        for round in 1..=10 {
            let assignment = assign(members, counts);
            *generation += 1;
            let mut held = BTreeSet::new();
            let mut again = false;
            for member in members.iter_mut() {
                let mine = &assignment[&member.id];
                // Until it has let go of the rest, it still reads it.
                for place in mine.union(&member.owned) {
                    assert!(held.insert(place.clone()), "{place:?} has two readers");
                }
                again |= !member.owned.is_subset(mine);
                member.owned.clone_from(mine);
                member.generation = *generation;
            }
            if !again {
                return round;
            }
        }
        panic!("it does not settle");
    }

    fn check_all_assigned(members: &[Member], counts: &Counts) {
        let held: BTreeSet<Place> = members.iter().flat_map(|m| m.owned.clone()).collect();
        assert_eq!(held, wanted(members, counts));
        for member in members {
            assert!(member.owned.iter().all(|(topic, _)| member.topics.contains(topic)));
        }
    }

    #[test]
    fn a_new_member_takes_from_the_others_no_more_than_its_share() {
        let counts = counts(&[6, 6]);
        let (mut members, mut generation) = (vec![member(0, 0..2), member(1, 0..2)], 0);
        assert_eq!(settle(&mut members, &counts, &mut generation), 1);
        let before = members.clone();
        members.push(member(2, 0..2));
        assert_eq!(settle(&mut members, &counts, &mut generation), 2);
        check_all_assigned(&members, &counts);
        for (old, new) in before.iter().zip(&members) {
            assert!(new.owned.is_subset(&old.owned) && new.owned.len() == 4);
        }
    }

    #[test]
    fn when_a_member_goes_the_others_keep_theirs() {
        let counts = counts(&[9]);
        let (mut members, mut generation) =
            ((0..3).map(|n| member(n, 0..1)).collect::<Vec<_>>(), 0);
        settle(&mut members, &counts, &mut generation);
        members.remove(1);
        let before = members.clone();
        assert_eq!(settle(&mut members, &counts, &mut generation), 1);
        check_all_assigned(&members, &counts);
        for (old, new) in before.iter().zip(&members) {
            assert!(old.owned.is_subset(&new.owned));
        }
    }

    #[test]
    fn of_two_claims_the_newer_one_counts_and_of_equal_ones_none() {
        let place = ("t0".to_owned(), 0);
        let claims = |generations: [i32; 2]| {
            let members: Vec<Member> = (0..2)
                .map(|n| Member {
                    owned: BTreeSet::from([place.clone()]),
                    generation: generations[n],
                    ..member(n, 0..1)
                })
                .collect();
            owners(&members, &BTreeSet::from([place.clone()])).get(&place).cloned()
        };
        assert_eq!(claims([3, 2]).as_deref(), Some("m0"));
        assert_eq!(claims([2, 3]).as_deref(), Some("m1"));
        assert_eq!(claims([3, 3]), None);
    }

    proptest! {
        #[test]
        fn members_come_and_go_and_the_shares_stay_even(
            all in prop::collection::vec(0..9_i32, 1..4),
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..12),
        ) {
            let counts = counts(&all);
            let (mut members, mut generation) = (vec![member(100, 0..4)], 0);
            settle(&mut members, &counts, &mut generation);
            for (n, (joins, which)) in steps.into_iter().enumerate() {
                if joins || members.len() == 1 {
                    members.push(member(n, 0..4));
                } else {
                    members.remove(which.index(members.len()));
                }
                prop_assert!(settle(&mut members, &counts, &mut generation) <= 2);
                check_all_assigned(&members, &counts);
                let sizes = members.iter().map(|member| member.owned.len());
                let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
                prop_assert!(most - least <= 1);
            }
        }

        #[test]
        fn members_that_want_different_topics_get_all_of_them(
            all in prop::collection::vec(0..9_i32, 1..4),
            wants in prop::collection::vec(prop::collection::btree_set(0..4_usize, 0..4), 1..6),
        ) {
            let counts = counts(&all);
            let mut members: Vec<Member> =
                wants.into_iter().enumerate().map(|(n, topics)| member(n, topics)).collect();
            let mut generation = 0;
            settle(&mut members, &counts, &mut generation);
            check_all_assigned(&members, &counts);
        }
    }
}
