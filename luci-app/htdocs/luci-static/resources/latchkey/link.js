// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.random as random';

// Keys, and how a client finds the router. The link itself is made by the router (ubus: latchkey link).

const KEY_BYTES = 32;
const FWKNOP_HMAC_BYTES = 64;

// One client's key, as text for UCI and link.
function makeKey() {
	return random.base64url(random.bytes(KEY_BYTES));
}

// The two keys of a fwknop client, in the alphabet that fwknop's own programs read.
function makeFwknopKeys() {
	return {
		key: random.base64(random.bytes(KEY_BYTES)),
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

function octets(address) {
	const m = String(address).match(/^(\d+)\.(\d+)\.(\d+)\.(\d+)$/);

	return m ? [ +m[1], +m[2], +m[3], +m[4] ] : null;
}

// Whether the Internet can reach an address: not private (RFC 1918, RFC 4193), not shared by a
// provider (RFC 6598), not of this link or this host.
function isPublic(address) {
	const o = octets(address);

	if (!o)
		return !(/^(::1?$|f[cd]|fe[89ab])/i).test(address);

	return !(o[0] == 10 || o[0] == 127 || o[0] == 0 || o[0] >= 224 ||
		(o[0] == 172 && o[1] >= 16 && o[1] <= 31) ||
		(o[0] == 192 && o[1] == 168) ||
		(o[0] == 169 && o[1] == 254) ||
		(o[0] == 100 && o[1] >= 64 && o[1] <= 127));
}

return baseclass.extend({
	makeKey: makeKey,
	makeFwknopKeys: makeFwknopKeys,
	fwknopText: fwknopText,
	fwknopRC: fwknopRC,
	shortName: shortName,
	isPublic: isPublic
});
