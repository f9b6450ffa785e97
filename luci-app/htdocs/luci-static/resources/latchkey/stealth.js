// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.syntax as syntax';
'require latchkey.reach as reach';

// Which settings of the firewall answer to strangers. Pure: sections in, findings out.
//
// A finding is { id, level, title, detail, change, stock }. level is one of three grades: 'open' (something
// can be reached), 'answers' (a stranger can learn that somebody is there) or 'silent'. change: [{
// section, option, from, to }] or null; applying it makes the finding silent. null also where the section is about who
// is inside, too: the router changes that for nobody. stock: OpenWrt is shipped so. What is not set is DROP for fw4.

function on(section) {
	return syntax.isOn(section.enabled, true);
}

function upper(value, otherwise) {
	return String(value || otherwise).toUpperCase();
}

function policyChange(section, option, from) {
	return [ { section: section['.name'], option: option, from: from, to: 'DROP' } ];
}

function checkInput(zone, defaults) {
	const policy = upper(zone.input, upper(defaults.input, 'DROP'));
	const f = { id: 'input-' + zone.name, title: text.say(_('Connections from zone {zone} to the router'), { zone: zone.name }) };

	if (policy == 'DROP')
		return Object.assign(f, { level: 'silent', detail: _('The router drops them without a word.'), change: null });
	if (policy == 'ACCEPT')
		return Object.assign(f, { level: 'open', detail: _('The router accepts them all: every service on it can be reached.'),
			change: policyChange(zone, 'input', policy) });

	return Object.assign(f, { level: 'answers', stock: true, change: policyChange(zone, 'input', policy),
		detail: _('The router refuses each one with an answer (REJECT), so everybody can see that it is there.') });
}

function checkZoneForward(zone, defaults) {
	const policy = upper(zone.forward, upper(defaults.forward, 'DROP'));
	const f = { id: 'forward-' + zone.name, title: text.say(_('Connections within zone {zone}'), { zone: zone.name }) };

	if (policy == 'DROP')
		return Object.assign(f, { level: 'silent', detail: _('They are dropped without a word.'), change: null });

	return Object.assign(f, { level: (policy == 'ACCEPT') ? 'open' : 'answers', change: policyChange(zone, 'forward', policy),
		detail: (policy == 'ACCEPT') ? _('The router passes them on.') : _('The router refuses each one with an answer (REJECT).') });
}

// The trap of fw4: what comes from outside and goes to the LAN leaves the zone's chain undecided
// and meets the default policy, so that the zone's own DROP is not enough.
function checkDefaultForward(defaults) {
	const policy = upper(defaults.forward, 'DROP');
	const f = { id: 'forward-default', title: _('IPv6 connections to hosts in your network') };

	if (policy == 'DROP')
		return Object.assign(f, { level: 'silent', detail: _('They are dropped without a word.'), change: null });

	return Object.assign(f, { level: (policy == 'ACCEPT') ? 'open' : 'answers', stock: policy != 'ACCEPT',
		change: (policy == 'REJECT') ? policyChange(defaults, 'forward', policy) : null, // with ACCEPT zones inside may reach each other by it
		detail: (policy == 'ACCEPT')
			? _('The general forward setting lets through what no zone decides.')
			: _('The general forward setting is “reject”: ' +
				'a stranger who tries an address of your network gets an answer, whether a host is there or not.') });
}

// "any" and no family mean both.
function familyOf(rule) {
	const f = String(rule.family || '').toLowerCase();

	return (f == 'ipv4' || f == 'ipv6') ? f : 'any';
}

function protocols(rule) {
	const p = syntax.words(rule.proto).map(function(x) { return x.toLowerCase(); });

	return p.length ? p : [ 'tcp', 'udp' ];
}

const ANY_PROTO = [ 'all', 'any', '*', '0' ];
const PINGS = [ 'echo-request', 'any', '8', '128' ];

function isICMP(p) {
	return [ 'icmp', 'icmpv6', 'ipv6-icmp', '1', '58' ].indexOf(p) >= 0;
}

function answersPing(rule) {
	const types = syntax.words(rule.icmp_type);

	return protocols(rule).some(isICMP) &&
		(types.length == 0 || types.some(function(t) { return PINGS.indexOf(t) >= 0; }));
}

function switchOff(section) {
	return [ { section: section['.name'], option: 'enabled', from: section.enabled || '1', to: '0' } ];
}

// Without its errors IPv6 does not work, so only the ping goes from a rule that allows more.
function pingChange(rule) {
	const types = syntax.words(rule.icmp_type);
	const rest = types.filter(function(t) { return PINGS.indexOf(t) < 0; });

	return rest.length
		? [ { section: rule['.name'], option: 'icmp_type', from: types, to: rest } ]
		: switchOff(rule);
}

function titleOf(section) {
	return section.name || section['.name'];
}

function checkPing(rule) {
	const v6 = (familyOf(rule) == 'ipv6');
	const title = rule.dest
		? _('Ping to hosts in your network')
		: (v6 ? _('Ping over IPv6') : _('Ping'));

	// A rule for ICMPv6 without any type lets its errors in too, which IPv6 cannot live without.
	const onlyTypes = syntax.words(rule.icmp_type).length > 0 || !v6;

	return {
		id: 'ping-' + rule['.name'],
		level: 'answers',
		stock: true,
		title: title,
		detail: text.say(rule.dest
			? _('Rule “{rule}” lets pings through, and your hosts answer.')
			: _('Rule “{rule}” makes the router answer. Some people keep this on purpose: it helps to find faults.'), { rule: titleOf(rule) }),
		change: onlyTypes ? pingChange(rule) : null
	};
}

// Rules that are needed on the link and that no stranger gets an answer by.
function isLinkRule(rule, protos) {
	const port = String(rule.dest_port || '');

	return protos.every(function(p) { return p == 'igmp'; }) ||
		(protos.length == 1 && protos[0] == 'udp' && (port == '68' || port == '546')) ||
		(protos.every(isICMP) && !answersPing(rule)) ||
		(syntax.words(rule.src_ip).length > 0 && syntax.words(rule.src_ip).every(function(a) { return (/^fe80:/i).test(a); }));
}

function portWords(protos, ports) {
	const names = protos.map(function(p) { return p.toUpperCase(); }).join(', ');
	const any = ANY_PROTO.indexOf(protos[0]) >= 0;

	if (!ports.length)
		return any ? _('everything') : names;

	return text.say(N_(ports.length, '{proto} port {ports}', '{proto} ports {ports}'), {
		proto: names, ports: ports.join(', ') });
}

function checkOpenRule(rule) {
	const protos = protocols(rule);

	return {
		id: 'rule-' + rule['.name'],
		level: 'open',
		title: text.say(_('Open: {what}'), { what: portWords(protos, syntax.words(rule.dest_port)) }),
		detail: text.say(rule.dest
			? _('Rule “{rule}” lets it through to zone {zone}, for everybody.')
			: _('Rule “{rule}” lets it through to the router, for everybody.'), { rule: titleOf(rule), zone: rule.dest }),
		change: switchOff(rule)
	};
}

// IPsec for devices behind the router: its protocols, and its key exchange.
function isIPsec(rule, protos) {
	const ports = syntax.words(rule.dest_port);

	return !!rule.dest && (protos.every(function(p) { return [ 'esp', 'ah', '50', '51' ].indexOf(p) >= 0; }) ||
		protos.join() == 'udp' && ports.length > 0 && ports.every(function(p) { return p == '500' || p == '4500'; }));
}

function checkIPsec(rule, protos) {
	return {
		id: 'rule-' + rule['.name'],
		level: 'answers',
		stock: true,
		title: text.say(_('IPsec to hosts in your network: {what}'), { what: portWords(protos, syntax.words(rule.dest_port)) }),
		detail: text.say(_('Rule “{rule}” lets it through, as OpenWrt is shipped. It reaches only hosts that speak IPsec; others may answer that they do not.'),
			{ rule: titleOf(rule) }),
		change: switchOff(rule)
	};
}

function checkRejectRule(rule) {
	return {
		id: 'reject-' + rule['.name'],
		level: 'answers',
		title: text.say(_('Refused with an answer: {what}'), { what: portWords(protocols(rule), syntax.words(rule.dest_port)) }),
		detail: text.say(_('Rule “{rule}” refuses with an answer (REJECT).'), { rule: titleOf(rule) }),
		change: policyChange(rule, 'target', 'REJECT')
	};
}

function checkRule(rule) {
	const protos = protocols(rule);
	const target = upper(rule.target, 'DROP');

	if (syntax.words(rule.ipset).length || isLinkRule(rule, protos))
		return null;
	if (target == 'REJECT')
		return checkRejectRule(rule);
	if (target != 'ACCEPT')
		return null;
	if (syntax.words(rule.src_ip).length || syntax.words(rule.src_mac).length)
		return null;

	if (isIPsec(rule, protos))
		return checkIPsec(rule, protos);

	return (answersPing(rule) && protos.every(isICMP)) ? checkPing(rule) : checkOpenRule(rule);
}

function checkRedirect(r) {
	if (upper(r.target, 'DNAT') != 'DNAT' || syntax.words(r.src_ip).length || syntax.words(r.src_mac).length || syntax.words(r.ipset).length)
		return null;

	return {
		id: 'redirect-' + r['.name'],
		level: 'open',
		title: text.say(_('Open: {what}'), { what: portWords(protocols(r), syntax.words(r.src_dport)) }),
		detail: text.say(_('Port forward “{rule}” leads everybody to {host}. A door would lead only your clients there.'),
			{ rule: titleOf(r), host: r.dest_ip || _('the router') }),
		change: switchOff(r),
		door: { proto: protocols(r), port: syntax.words(r.src_dport)[0] || '', dest_ip: r.dest_ip || '', dest_port: r.dest_port || '' }
	};
}

// sections: all of /etc/config/firewall, each with .name and .type. networks: the logical
// interfaces that face the Internet.
function findings(sections, networks) {
	const defaults = sections.find(function(s) { return s['.type'] == 'defaults'; }) || { '.name': '@defaults[0]' };
	const zones = reach.zonesOf(sections, networks);
	const names = zones.map(function(z) { return z.name; });
	const fromOutside = function(s) { return on(s) && (s.src == '*' || names.indexOf(s.src) >= 0); };
	const strangers = reach.strangers(sections);
	const offering = function(check) {
		return function(s) {
			const f = check(s, defaults);
			const isTheirs = strangers.indexOf((s['.type'] == 'zone') ? s.name : s.src) >= 0;

			return (f && !isTheirs) ? Object.assign(f, { change: null }) : f;
		};
	};
	const rules = sections.filter(function(s) { return s['.type'] == 'rule' && fromOutside(s); });
	const redirects = sections.filter(function(s) { return s['.type'] == 'redirect' && fromOutside(s); });

	return [].concat(
		zones.map(offering(checkInput)),
		[ checkDefaultForward(defaults) ],
		zones.map(offering(checkZoneForward)),
		rules.map(offering(checkRule)),
		redirects.map(offering(checkRedirect))
	).filter(function(f) { return f != null; });
}

// One sentence over all findings.
function verdict(all) {
	const open = all.filter(function(f) { return f.level == 'open'; }).length;
	const answers = all.filter(function(f) { return f.level == 'answers'; }).length;

	if (open)
		return { level: 'open', text: text.say(N_(open, '{n} way in is open to everybody.', '{n} ways in are open to everybody.'), { n: open }) };
	if (answers)
		return { level: 'answers', todo: all.every(function(f) { return f.level == 'silent' || f.stock; })
			? _('OpenWrt is shipped like this. It is safe, but not invisible.') : '', text: text.say(N_(answers, 'Nothing is open, but {n} setting answers to strangers.',
			'Nothing is open, but {n} settings answer to strangers.'), { n: answers }) };

	return { level: 'silent', text: _('Silent: as far as these settings go, nobody outside can tell that a router is here.') };
}

return baseclass.extend({
	findings: findings,
	verdict: verdict
});
