// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.random as random';
'require latchkey.rules as rules';

// Keys. The link itself is made by the router (ubus: latchkey link), which also says what is doubtful about it.

const FWKNOP_HMAC_BYTES = 64;

// One client's key, as text for UCI and link.
function makeKey() {
	return random.base64url(random.bytes(rules.KEY));
}

// The two keys of a fwknop client, in the alphabet that fwknop's own programs read.
function makeFwknopKeys() {
	return {
		key: random.base64(random.bytes(rules.KEY)),
		hmac: random.base64(random.bytes(FWKNOP_HMAC_BYTES))
	};
}

// What the Fwknop2 app reads from a QR code: keys only, split at the space and the first colons.
function fwknopText(keys) {
	return 'KEY_BASE64:' + keys.key + ' HMAC_KEY_BASE64:' + keys.hmac;
}

// A stanza for the file of the fwknop command line client (~/.fwknoprc). access is a list like "tcp/22".
function fwknopRC(name, host, port, keys, access) {
	return [
		'[' + name + ']',
		'SPA_SERVER ' + host,
		'SPA_SERVER_PORT ' + port,
		'ALLOW_IP resolve',
		'ACCESS ' + access,
		'KEY_BASE64 ' + keys.key,
		'HMAC_KEY_BASE64 ' + keys.hmac,
		'USE_HMAC Y',
		''
	].join('\n');
}

// A word that a person can type on a command line, from a host name.
function shortName(hostname) {
	const name = String(hostname || '').toLowerCase().replace(/[^a-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');

	return (name == '' || name == 'openwrt') ? 'home' : name.slice(0, 32);
}

// What the router says of a link, { word, text }, in words for people.
function warning(w) {
	const known = {
		'no-door': _('This client may not open any door, so nobody can use its settings.'),
		'no-carrier': _('No port for knocks is set, so no client can use these settings.'),
		'no-address': _('Neither a name nor an address of the router is known, so no client can use these settings.'),
		'local-name': _('The router’s name is known in your home network only, so that a client that is away does not find it.'),
		'private-address': _('This router has a private address: it is behind another router, which must forward the ports of knocks and doors, and whose public name or address must be in these settings.'),
		'carrier-address': _('Your provider shares its address among customers, so knocks from outside do not arrive. Ask the provider for a public address, or for IPv6.'),
		'too-many-doors': _('This client may open more doors than fit: only the first ones are in its settings.'),
		'client-off': _('This client is switched off or its time is over, so what it knocks is refused until you change that.'),
		'no-family': _('A door leads to an IPv4 address while these settings have IPv6 addresses only, or the other way round, so knocks at it are refused. Give the host’s other address to the door, too.')
	};

	return known.hasOwnProperty(w.word) ? known[w.word] : String(w.text || '');
}

return baseclass.extend({
	warning: warning,
	makeKey: makeKey,
	makeFwknopKeys: makeFwknopKeys,
	fwknopText: fwknopText,
	fwknopRC: fwknopRC,
	shortName: shortName
});
