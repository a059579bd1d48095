//! `ListGroups`: every group that has members, or of which something is kept.
//!
//! **References.** KIP-518 (states), KIP-848 (types).
use std::collections::BTreeMap;

use pagi_protocol::kafka::messages::list_groups::{
    ListGroupsRequest, ListGroupsResponse, ListedGroup,
};

use crate::broker::context::Context;
use crate::core::group::state::Phase;

/// What kind of group all of them are.
const CLASSIC: &str = "classic";

/// Answers.
#[must_use]
pub fn respond(context: &Context, request: &ListGroupsRequest) -> ListGroupsResponse {
    let wanted = |filter: &[String], is: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(is))
    };
    let mut groups: BTreeMap<String, (String, &str)> = BTreeMap::new();
    for id in context.store.view().groups.names() {
        groups.insert(id, (String::new(), Phase::Empty.name()));
    }
    for id in context.groups.ids() {
        let found = context.groups.look(&id, |group| {
            let protocol_type = group.protocol_type().unwrap_or_default().to_owned();
            (!group.is_blank()).then(|| (protocol_type, group.phase().name()))
        });
        if let Some(group) = found.flatten() {
            groups.insert(id.as_ref().to_owned(), group);
        }
    }
    let listed = |(group_id, (protocol_type, state)): (String, (String, &str))| ListedGroup {
        group_id,
        protocol_type,
        group_state: state.to_owned(),
        group_type: CLASSIC.to_owned(),
    };
    let groups = groups.into_iter().filter(|(_, (_, state))| {
        wanted(&request.states_filter, state) && wanted(&request.types_filter, CLASSIC)
    });
    ListGroupsResponse { groups: groups.map(listed).collect(), ..ListGroupsResponse::default() }
}
