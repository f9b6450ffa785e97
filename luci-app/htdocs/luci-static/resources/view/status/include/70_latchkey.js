// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.status as status';
'require latchkey.element as element';

// The card on Status > Overview. It is there while a door is open.

const E = element.make;

return baseclass.extend({
	title: _('Open doors'),

	load: function() {
		page.style();

		return api.status();
	},

	render: function(data) {
		const card = status.openCard(data, Date.now());

		if (!card)
			return this.shown ? E('p', [ _('All doors are closed again.') ]) : null;
		this.shown = true;

		return E('div', { 'class': 'lk' }, [ card ]);
	}
});
