// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.rules as rules';

// How sections write what is in them.

// The entries of a list, however it was written.
function words(value) {
	return [].concat(value || []).join(' ').split(/\s+/).filter(Boolean);
}

function isOn(value, otherwise) {
	return (value == null || value === '') ? otherwise : rules.ON.indexOf(value) >= 0;
}

return baseclass.extend({
	words: words,
	isOn: isOn
});
