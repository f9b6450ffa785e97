// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.event as event';
'require latchkey.status as status';
'require latchkey.rules as rules';

// Who was in when, from what the daemon says. Pure: a status and its events in, times out, in
// milliseconds of the router's clock.

function time(t) {
	return t ? Date.parse(t) : NaN;
}

// Whose grant it is, as the daemon tells them apart.
function holder(e) {
	return JSON.stringify([ e.door, e.address, e.client || e.knock || '' ]);
}

// One visit. end: 'open', 'closed', 'expired', or 'lost' if the daemon was not there to see it.
function visit(e, from, to, end, pending) {
	return { door: e.door || '', client: e.client || '', knock: e.knock || '', address: e.address || '', from: from, to: to, end: end, pending: !!pending };
}

// Those that ended: the event of an end tells when it began; of a door that never let anybody in, nothing.
function ended(events) {
	return events.filter(function(e) { return e.from; }).map(function(e) {
		return visit(e, time(e.from), time(e.time), e.kind);
	});
}

function open(answer, now) {
	return [].concat.apply([], (answer.doors || []).map(function(d) {
		return (d.grants || []).filter(function(g) { return g.since; }).map(function(g) {
			return visit(Object.assign({ door: d.name }, g), time(g.since), now, 'open', g.pending);
		});
	}));
}

// Those whose end nobody told, because the daemon was killed: the kernel ended them on time, or the
// daemon when it started again. Of a door with more grants than status lists, they are open until their time.
function lost(answer, events, now) {
	const left = {};
	const close = function(at) {
		Object.keys(left).forEach(function(k) { left[k].to = Math.min(left[k].to, at); });
	};

	events.forEach(function(e) {
		if (e.kind == 'opened')
			left[holder(e)] = visit(e, time(e.time), time(e.until), 'lost');
		else if (e.kind == 'extended' && left[holder(e)])
			left[holder(e)].to = time(e.until);
		else if (e.kind == 'closed' || e.kind == 'expired')
			delete left[holder(e)];
		else if (e.kind == 'started')
			close(time(e.time));
	});
	open(answer, now).forEach(function(v) { delete left[holder(v)]; });

	const unlisted = new Set((answer.doors || []).filter(function(d) { return d.more; }).map(function(d) { return d.name; }));

	return Object.keys(left).map(function(k) { return left[k]; }).filter(function(v) { return v.to > v.from; }).map(function(v) {
		if (v.to > now) {
			v.to = now;
			v.end = unlisted.has(v.door) ? 'open' : 'lost';
		}

		return v;
	});
}

// What strangers and clients tried in vain. Copies that good knocks bring about are none.
function refusals(events) {
	return events.filter(function(e) { return e.kind == 'refused' && !e.usual; }).map(function(e) {
		return { door: e.door || '', client: e.client || '', knock: e.knock || '', address: e.address || '', at: time(e.time), count: e.count || 1,
			hidden: e.hidden || 0, event: e };
	});
}

// Since when all of a kind are known: not before the daemon's first event, which it keeps, and not
// before the oldest that is left where it has no room for more.
function since(events, list, most, at) {
	const first = events.length ? time(events[0].time) : NaN;

	return (list.length >= most) ? Math.max(first, at(list[0])) : first;
}

// { now, visits, refusals, known, refusedKnown, full, unset }, each list oldest first. known: since when
// visits are; NaN if nothing is. full: because there were more. unset: the router's clock shows no real date.
function read(answer, events, now) {
	const told = ended(events), refused = refusals(events);
	const visits = told.concat(lost(answer, events, now), open(answer, now));

	return {
		now: now,
		visits: visits.filter(function(v) { return v.from <= v.to; }).sort(function(a, b) { return a.from - b.from; }),
		refusals: refused,
		known: since(events, told, rules.KEPT.visits, function(v) { return v.to; }),
		refusedKnown: since(events, events.filter(function(e) { return event.group(e) == 'refused'; }), rules.KEPT.refused,
			function(e) { return time(e.time); }),
		full: told.length >= rules.KEPT.visits,
		unset: status.isUnset(answer)
	};
}

return baseclass.extend({
	read: read
});
