// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';

// Events of the daemon as sentences for their owner. The words of kinds and reasons are those of
// the daemon's events, its log and the test vectors.

// Seconds of difference from which on a clock that is wrong is named with its difference.
const SKEW_WORTH_SAYING = 2;

function skew(event) {
	const s = event.skew || 0;

	if (Math.abs(s) < SKEW_WORTH_SAYING)
		return _('The client’s clock and the router’s clock differ too much.');

	return text.say(s > 0
		? _('The client’s clock is {time} ahead of the router’s.')
		: _('The client’s clock is {time} behind the router’s.'), { time: text.roughly(s) });
}

// What each reason means, and what to do about it.
function reasons() {
	return {
		'unknown-key': {
			what: function() { return _('No client here has the key that this knock was made with.'); },
			todo: _('If it was your client: it holds an old key. Make a new QR code under Clients and scan it. If not: a stranger tried, and got no answer.')
		},
		'bad-message': {
			what: function() { return _('The knock is damaged or was made by guessing.'); },
			todo: _('Once in a while this is chance and needs nothing. If your own client causes it each time, give it a new QR code.')
		},
		'replayed': {
			what: function() { return _('This is a copy of a knock that was used before.'); },
			todo: _('If you just pressed twice, all is well. Otherwise somebody recorded your knock and tried it again, in vain.')
		},
		'stale': {
			what: skew,
			todo: _('Switch on automatic time on the phone or laptop. If its time is right, check the router’s under System › System › Time Synchronization.')
		},
		'not-allowed': {
			what: function() { return _('This client was not given the door that it asked for.'); },
			todo: _('To allow it, edit the client and tick the door.')
		},
		'expired': {
			what: function() { return _('This client’s time is over.'); },
			todo: _('To let it in again, edit the client and set a later expiry date.')
		},
		'disabled': {
			what: function() { return _('The client or the door is switched off.'); },
			todo: _('To allow it, switch it on again under Clients or Doors.')
		},
		'too-many': {
			what: function() { return _('Too many knocks or too many open addresses at once.'); },
			todo: _('Wait a minute and knock again, or close addresses that are no longer needed.')
		},
		'trip-wire': {
			what: function() { return _('A port beside the right one was touched: this looks like a port scan.'); },
			todo: _('If it was you, knock twice. If that does not open either, compare the steps in your knocking app with those under Sequences. A scan of a stranger needs nothing.')
		},
		'wrong-order': {
			what: function() { return _('The right ports, but in the wrong order.'); },
			todo: _('Set a longer delay between the steps in your knocking app (200 ms or more): packets can overtake each other.')
		},
		'too-slow': {
			what: function() { return _('The knock took longer than its time window.'); },
			todo: _('Shorten the delay between the steps in your knocking app, or allow more time under Sequences.')
		},
		'used-up': {
			what: function() { return _('All one-time sequences of this list were used.'); },
			todo: _('Make a new list under Sequences.')
		},
		'firewall': {
			what: function() { return _('The firewall cannot serve the door, or refused the change.'); },
			todo: _('The Overview tells why. If it does not, restart the firewall and look at the system log.')
		},
		'memory': {
			what: function() { return _('The router could not write down that this knock is used up, so it did not open.'); },
			todo: _('The router’s flash storage may be full or damaged: make room, then knock again.')
		}
	};
}

// A phone with both families knocks over both; a door inside may have an address of one only.
function otherFamily(event) {
	const v6 = String(event.address).indexOf(':') >= 0;

	return {
		what: v6 ? _('The knock came over IPv6, but this door leads to an IPv4 address only.')
			: _('The knock came over IPv4, but this door leads to an IPv6 address only.'),
		todo: _('If the door opened for the other address of the client, all is well. To open it for this one too, add the missing address under Doors.')
	};
}

// What a second address or a second way of the same phone looks like. A thief as quick as that looks the same.
function copyFromElsewhere() {
	return {
		what: _('This is a copy of a knock that came from another address a moment before. It opened nothing.'),
		todo: _('Usually it is the same client, which has two addresses or two ways to the router. If yours has one only, somebody on the way copied the knock, in vain.')
	};
}

// { what, todo } of a refusal, both of them sentences.
function refusal(event) {
	if (event.reason == 'replayed' && event.usual)
		return copyFromElsewhere();
	if (event.reason == 'not-allowed' && (/leads nowhere/).test(event.detail))
		return otherFamily(event);

	const r = reasons()[event.reason];

	// Who has the HMAC key is told what else is wrong, in the daemon's words.
	if (event.knock == 'fwknop' && event.detail && (event.reason == 'bad-message' || event.reason == 'not-allowed'))
		return {
			what: text.say((event.reason == 'bad-message') ? _('This fwknop packet has the client’s HMAC key, but cannot be read: {why}.')
				: _('This fwknop packet asks for something that it does not get: {why}.'), { why: event.detail }),
			todo: _('Compare keys, ports and addresses in the fwknop client with those under Clients and Doors.')
		};
	if (event.reason == 'not-allowed' && (/nobody can connect/).test(event.detail))
		return { what: _('Nobody can connect from the address that was to be let in.'), todo: _('Let the client ask for its own address.') };
	if (!r)
		return { what: event.detail || event.reason || _('No reason was given.'), todo: '' };

	return { what: r.what(event), todo: r.todo };
}

// How somebody knocked. The daemon's words: "sequence NAME", "message stun", "message ports", "fwknop", "control".
// One press of a button is two messages: also is the other one.
function how(knock, also) {
	if (also)
		return _('by key, over UDP and TCP ports');

	const m = String(knock || '').match(/^(\S+)(?: (.*))?$/) || [];

	switch (m[1]) {
	case 'sequence':
		return text.say(_('by sequence “{name}”'), { name: m[2] || '?' });
	case 'message':
		return (m[2] == 'ports') ? _('by key, over TCP ports') : _('by key, over UDP');
	case 'fwknop':
		return _('by fwknop packet');
	case 'control':
		return _('by hand at the router');
	default:
		return '';
	}
}

function templates(event) {
	return {
		opened: _('{client} opened {door} for {address}'),
		extended: _('{client} extended {door} for {address}'),
		closed: _('{door} was closed for {address}'),
		expired: _('{door} closed by itself for {address}'),
		refused: _('{client} was refused at {door}, from {address}'),
		inside: event.door ? _('{client} knocked at {door} from inside, from {address}') : _('{client} knocked from inside, from {address}'),
		pending: _('{door} waits for the firewall'),
		ready: _('{door} is ready'),
		broken: _('{door} cannot be opened'),
		scan: _('{address} tried many closed ports'),
		link: _('A network device changed'),
		reload: _('The configuration was loaded'),
		started: _('Latchkey started'),
		trouble: _('Something needs your attention')
	};
}

function refusedTemplate(event) {
	if (event.client)
		return event.door ? templates(event).refused : _('{client} was refused, from {address}');

	return event.address ? _('A knock from {address} was refused') : _('A knock was refused');
}

// The daemon's "device NAME is STATE", in the reader's language; null if it is something else.
function deviceNote(detail) {
	const m = String(detail || '').match(/^device (\S+) is (up|down|missing)$/);

	if (!m)
		return null;

	return text.say({ up: _('{device} is up: knocks can arrive there.'), down: _('{device} is down: no knock can arrive there.'),
		missing: _('{device} is gone: no knock can arrive there.') }[m[2]], { device: m[1] });
}

// The event as one sentence: a list for rich text. names: { doors: {name: title}, clients: {...} };
// wrap(kind, text) may return a node for a place.
function sentence(event, names, wrap) {
	if (event.kind == 'link' && deviceNote(event.detail))
		return [ deviceNote(event.detail) ];

	const w = wrap || function(kind, value) { return value; };
	const template = (event.kind == 'refused') ? refusedTemplate(event) : templates(event)[event.kind];

	return text.rich(template || event.kind, {
		client: event.client ? w('client', names.clients[event.client] || event.client)
			: (event.knock == 'control' ? _('The owner') : _('Somebody')),
		door: event.door ? w('door', names.doors[event.door] || event.door) : _('a door'),
		address: event.address ? w('address', event.address) : _('every address')
	});
}

// "good", "bad", "quiet": how the event is marked. Never by colour alone: see mark().
function tone(event) {
	switch (event.kind) {
	case 'opened':
	case 'extended':
		return 'good';
	case 'refused':
		return event.usual ? 'quiet' : 'bad';
	case 'broken':
	case 'trouble':
		return 'bad';
	default:
		return 'quiet';
	}
}

function outcome(event) {
	return {
		opened: _('opened'), extended: _('extended'), closed: _('closed'), expired: _('expired'),
		refused: _('refused'), inside: _('inside'), scan: _('scan'), pending: _('waiting'), ready: _('ready'), broken: _('broken'), link: _('network'),
		reload: _('loaded'), started: _('started'), trouble: _('trouble')
	}[event.kind] || event.kind;
}

// The groups of the filter on the Events page.
function group(event) {
	switch (event.kind) {
	case 'opened':
	case 'extended':
	case 'closed':
	case 'expired':
		return 'doors';
	case 'refused':
	case 'inside':
		return 'refused';
	case 'scan':
		return 'scan';
	default:
		return 'system';
	}
}

// What every start and every reload brings, and nobody needs to read in passing.
function isNoise(event) {
	return [ 'started', 'reload', 'ready', 'pending' ].indexOf(event.kind) >= 0 ||
		event.kind == 'link' && (/ is up$/).test(event.detail || '');
}

// Why a door closed early, by the daemon's words.
function closings() {
	return {
		'closed at the router': _('By hand at the router.'),
		'closed by a knock': _('By a knock of the client.'),
		'latchkeyd stops': _('Latchkey was stopped.'),
		'the door was taken out of the configuration': _('The door was taken out of the configuration.'),
		'the door was given another width': _('The door lets in more or fewer addresses than before: knock again.'),
		'sessions ended at the router': _('It was closed already; what was still open was ended by hand at the router.')
	};
}

// Kinds of which the sentence says all that the daemon's detail says.
const PLAIN = [ 'reload', 'ready', 'pending' ];

// What stands below the sentence: why and what to do, how it was knocked, how many alike.
function notes(event) {
	const out = [];

	if (event.kind == 'refused') {
		const r = refusal(event);

		out.push(r.what);
		if (r.todo)
			out.push(r.todo);
	}
	else if (event.kind == 'inside') {
		out.push(_('It opened nothing: doors are for the outside.'));
		out.push(_('To try a door, switch Wi-Fi off on the phone and knock again. At home no knock is needed.'));
	}
	else if (event.kind == 'scan') {
		out.push(text.say(_('At least {n} ports. Anybody can send in somebody else’s name: nothing was done about it.'), { n: event.ports }));
	}
	else if (event.detail && PLAIN.indexOf(event.kind) < 0 && !(event.kind == 'link' && deviceNote(event.detail))) {
		out.push(closings()[event.detail] || event.detail);
	}
	if (event.from && event.time)
		out.push(text.say(_('It was open for {time}.'), { time: text.duration((new Date(event.time) - new Date(event.from)) / 1000) }));
	if (event.sessions > 0)
		out.push(text.say(N_(event.sessions, '{n} open connection was ended.', '{n} open connections were ended.'), { n: event.sessions }));
	if (event.count > 1 && event.kind == 'refused')
		out.push(text.say(N_(event.count, 'Happened {n} time.', 'Happened {n} times.'), { n: event.count }));
	if (event.hidden > 0 && event.kind == 'scan')
		out.push(text.say(N_(event.hidden, '{n} more scan before it is not shown.', '{n} more scans before it are not shown.'), { n: event.hidden }));
	else if (event.hidden > 0)
		out.push(text.say(N_(event.hidden, '{n} more refusal before it is not shown.', '{n} more refusals before it are not shown.'),
			{ n: event.hidden }));

	return out;
}

return baseclass.extend({
	reasons: reasons,
	closings: closings,
	refusal: refusal,
	how: how,
	sentence: sentence,
	tone: tone,
	outcome: outcome,
	group: group,
	isNoise: isNoise,
	notes: notes
});
