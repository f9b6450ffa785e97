// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// Secrets made in the browser. crypto.getRandomValues exists on plain http pages too, where
// crypto.subtle does not.

function bytes(n) {
	const b = new Uint8Array(n);

	window.crypto.getRandomValues(b);

	return b;
}

// A number from 0 to n-1, each as likely as the others: draws above the last whole multiple of n are thrown away.
function below(n) {
	const limit = Math.floor(0x100000000 / n) * n;
	const draw = new Uint32Array(1);

	do
		window.crypto.getRandomValues(draw);
	while (draw[0] >= limit);

	return draw[0] % n;
}

// Standard base64 with padding (RFC 4648, section 4).
function base64(b) {
	return window.btoa(String.fromCharCode.apply(null, b));
}

// The alphabet for links, without padding (RFC 4648, section 5).
function base64url(b) {
	return base64(b).replace(/[+]/g, '-').replace(/[\/]/g, '_').replace(/[=]+$/, '');
}

return baseclass.extend({
	bytes: bytes,
	below: below,
	base64: base64,
	base64url: base64url
});
