// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require rpc';
'require uci';
'require latchkey.link as link';
'require latchkey.plan as plan';
'require latchkey.journal as journal';
'require latchkey.door as door';
'require latchkey.reach as reach';
'require latchkey.syntax as syntax';

// The thin side towards the router: ubus and UCI, nothing that decides.

const APPLY_TIMEOUT = 30; // seconds in which the browser must confirm, else the router rolls back
const CONFIRM_EVERY = 500; // milliseconds
const LOOK_UP = 20000; // milliseconds for a name, more than the router takes itself
const SETTLED = 5000; // milliseconds after which a changed firewall is in force, on a slow router too

const callStatus = rpc.declare({ object: 'latchkey', method: 'status', expect: { '': {} } });
const callEvents = rpc.declare({ object: 'latchkey', method: 'events', params: [ 'since' ], expect: { '': {} } });
const callRadar = rpc.declare({ object: 'latchkey', method: 'radar', expect: { '': {} } });
const callOpen = rpc.declare({ object: 'latchkey', method: 'open', params: [ 'door', 'address', 'for' ], expect: { '': {} } });
const callClose = rpc.declare({ object: 'latchkey', method: 'close', params: [ 'door', 'address', 'cut' ], expect: { '': {} } });
const callForget = rpc.declare({ object: 'latchkey', method: 'forget', params: [ 'client' ], expect: { '': {} } });
const callOffer = rpc.declare({ object: 'latchkey', method: 'offer', params: [ 'client', 'page' ], expect: { '': {} } });
const callLink = rpc.declare({ object: 'latchkey', method: 'link', params: [ 'client', 'page', 'app' ], expect: { '': {} } });
const callImport = rpc.declare({ object: 'latchkey', method: 'import', params: [ 'text' ], expect: { '': {} } });
const callCheck = rpc.declare({ object: 'latchkey', method: 'check', params: [ 'text' ], expect: { problems: [] } });
const callRestart = rpc.declare({ object: 'latchkey', method: 'restart', expect: { result: false } });
const callSilence = rpc.declare({ object: 'latchkey', method: 'silence', params: [ 'section', 'option' ], expect: { '': {} } });
const callKeep = rpc.declare({ object: 'latchkey', method: 'keep', expect: { kept: false } });
const callHints = rpc.declare({ object: 'luci-rpc', method: 'getHostHints', expect: { '': {} } });
const callInterfaces = rpc.declare({ object: 'network.interface', method: 'dump', expect: { 'interface': [] } });
const callResolve = rpc.declare({ object: 'latchkey.network', method: 'resolve', params: [ 'host' ], expect: { '': {} } });
const callLeases = rpc.declare({ object: 'latchkey.network', method: 'leases', expect: { leases: [] } });
const callReserve = rpc.declare({ object: 'latchkey.network', method: 'reserve', params: [ 'address' ], expect: { '': {} } });
const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true });
const callConfirm = rpc.declare({ object: 'uci', method: 'confirm', reject: true });

// The daemon's refusals come as { error, hint }: make them errors with a sentence.
function checked(answer) {
	if (answer && answer.error && [].concat(answer.warnings || []).length)
		throw new Error(link.warning(answer.warnings[0]));
	if (answer && answer.error)
		throw new Error(answer.hint ? answer.error + ' (' + answer.hint + ')' : answer.error);

	return answer;
}

// What the daemon says; { failed } if nothing did: 'absent' if the router knows no such service, 'denied'
// to this login, 'lost' if the router itself is silent. The numbers are JSON-RPC's, as rpcd's.
function status() {
	return callStatus().catch(function(err) {
		return { failed: (/-32000/).test(err.message) ? 'absent' : (/-32002/).test(err.message) ? 'denied' : 'lost' };
	});
}

// The list of events, in whatever wrapping.
function events(since) {
	return callEvents(since || 0).then(function(answer) {
		return Array.isArray(answer) ? answer : (answer.events || []);
	}, function() {
		return [];
	});
}

// What strangers tried at closed ports, or { error, hint }.
function radar() {
	return callRadar().then(function(answer) {
		return answer.hours ? answer : { error: answer.error || _('Latchkey does not answer.'), hint: answer.hint };
	}, function() {
		return { error: _('Latchkey does not answer.') };
	});
}

// Returns a function that asks what is new: it resolves to { status, events, at }, at in milliseconds of
// this browser's clock.
function follow() {
	let j = journal.empty();

	return function() {
		return status().then(function(s) {
			const at = Date.now();
			const after = journal.since(j, s.run, at);

			if (s.running !== true)
				return { status: s, events: [], at: at };

			return events(after).then(function(answer) {
				return journal.add(j, s.run, at, after, answer) || events(0).then(function(all) { return journal.add(j, s.run, at, 0, all); });
			}).then(function(now) {
				j = now;

				return { status: s, events: j.list, at: at };
			});
		});
	};
}

function delay(ms) {
	return new Promise(function(resolve) { window.setTimeout(resolve, ms); });
}

// Calls until the router answers, or the time is over at which it takes the change back.
function confirm(call, deadline) {
	return delay(CONFIRM_EVERY).then(call).catch(function(err) {
		if (Date.now() > deadline)
			throw err;

		return confirm(call, deadline);
	});
}

// Lets the router change options of its firewall to what is silent: it knows which. It takes each back
// if it cannot be reached any more.
function silence(changes) {
	return changes.reduce(function(before, c) {
		return before.then(function() { return callSilence(c.section, c.option); }).then(checked).then(function(answer) {
			return delay(SETTLED).then(function() { return confirm(callKeep, Date.now() + answer.seconds * 1000); });
		}).then(function(kept) {
			if (!kept)
				throw new Error(_('The router could not be reached in time, and has taken the change back.'));
		});
	}, Promise.resolve());
}

// What the daemon would say of the configuration that this login has saved and not applied yet.
function check() {
	return callCheck('');
}

// A pick-up address for a client: { address, minutes, warnings }.
function offer(client) {
	return callOffer(client, pageURL()).then(checked);
}

// A client's link, or the code of it that the installed app scans: a secret.
function linkOf(client, app) {
	return callLink(client, pageURL(), !!app).then(checked).then(function(answer) { return answer.link; });
}

// Saves and applies with the router's own rollback, without LuCI's overlay and reload, so that a
// code can be shown after it.
function apply() {
	return uci.save().then(check).then(function(problems) {
		const wrong = problems.find(function(p) { return !p.warning; });

		if (wrong)
			throw new Error(wrong.text);

		return callApply(APPLY_TIMEOUT, true);
	}).then(function() {
		return confirm(callConfirm, Date.now() + APPLY_TIMEOUT * 1000);
	}).then(function() {
		document.dispatchEvent(new CustomEvent('uci-applied'));
		document.dispatchEvent(new CustomEvent('uci-loaded')); // LuCI counts the unsaved changes again
	});
}

// Loads what may be absent or forbidden: resolves to false then.
function tryLoad(config) {
	return uci.load(config).then(function() { return true; }, function() { return false; });
}

function sections(config) {
	return uci.sections(config) || [];
}

// The addresses of a name, as the router sees it: { addresses } or { error, hint }. The router looks it up
// aside, and is asked again until it knows.
function resolve(host) {
	const deadline = Date.now() + LOOK_UP;
	const ask = function() {
		return callResolve(host).then(function(answer) {
			if (!answer.pending)
				return answer;
			if (Date.now() > deadline)
				return { error: _('The router’s name server does not answer.') };

			return delay(CONFIRM_EVERY).then(ask);
		});
	};

	return ask();
}

// The interfaces that section main names.
function named() {
	return syntax.words(uci.get('latchkey', 'main', 'interface'));
}

// Where knocks come in, see reach.outside.
function outside() {
	return reach.outside(sections('firewall'), named());
}

// Where clients at home find the knock page. A tunnel's end on this machine is not it.
function pageURL() {
	const here = window.location;
	const lan = [].concat(uci.get('network', 'lan', 'ipaddr') || [])[0];

	if ((/^(localhost|127\.|\[::1\])/).test(here.hostname) && lan)
		return 'http://' + lan.replace(/\/.*$/, '') + '/latchkey/';

	return here.origin + '/latchkey/';
}

function ordered() {
	return uci.sections('latchkey', 'ports');
}

// How clients find this router from outside, for the module where; all but what LuCI's menu knows.
function whereabouts() {
	return Promise.all([ callInterfaces(), tryLoad('ddns'), tryLoad('system'), tryLoad('network'), tryLoad('firewall') ]).then(function(data) {
		const facing = reach.facing(data[0], outside().networks, sections('network'));
		const reached = facing.filter(function(a) { return a.kind == 'public'; });

		return {
			host: reach.publicName(syntax.words(uci.get('latchkey', 'main', 'host'))) || reach.ddnsName(sections('ddns')),
			addresses: reached.map(function(a) { return a.address; }),
			situation: reach.situation(facing),
			own: data[0].reduce(function(all, i) { return all.concat(reach.addressesOf(i)); }, []),
			isFixed: reached.length > 0 && reached.every(function(a) { return a.isFixed; }),
			unknown: reach.unknown(named(), sections('network'), data[0]),
			ordered: ordered(),
			resolve: resolve,
			name: link.shortName((sections('system').find(function(s) { return s['.type'] == 'system'; }) || {}).hostname)
		};
	});
}

// The hosts behind this router, see plan.hosts.
function hosts() {
	return Promise.all([ callHints(), callInterfaces(), tryLoad('firewall') ]).then(function(data) {
		return plan.hosts(data[0], plan.inside(data[1], outside().networks, sections('firewall')), plan.notHosts(data[1]));
	}, function() { return []; });
}

// The hosts that have their address by DHCP: [{ address, mac, name, reserved }].
function leases() {
	return callLeases().catch(function() { return []; });
}

// What a door could collide with, from the configuration, see door.conflicts.
function surroundings() {
	return Promise.all([ 'firewall', 'dropbear', 'uhttpd', 'network' ].map(tryLoad)).then(function() {
		return around();
	});
}

function around() {
	return {
		doors: uci.sections('latchkey', 'door'),
		sequences: uci.sections('latchkey', 'sequence'),
		ordered: ordered(),
		main: uci.get('latchkey', 'main') || {},
		firewall: sections('firewall'),
		listeners: door.listeners(sections('dropbear'), sections('uhttpd'), sections('network'))
	};
}

return baseclass.extend({
	status: status,
	follow: follow,
	radar: radar,
	open: function(name, address, time) { return callOpen(name, address, time).then(checked); },
	close: function(name, address, cut) { return callClose(name, address, cut).then(checked); },
	forget: function(client) { return callForget(client).then(checked); },
	importText: function(content) { return callImport(content).then(checked); },
	offer: offer,
	link: linkOf,
	check: check,
	silence: silence,
	restart: function() { return callRestart(); },
	apply: apply,
	tryLoad: tryLoad,
	sections: sections,
	named: named,
	outside: outside,
	interfaces: function() { return outside().networks; },
	whereabouts: whereabouts,
	hosts: hosts,
	leases: leases,
	reserve: function(address) { return callReserve(address).then(checked); },
	surroundings: surroundings,
	around: around
});
