// SPDX-License-Identifier: Apache-2.0
'use strict';
'require ui';
'require uci';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.stealth as stealth';
'require latchkey.report as report';
'require latchkey.element as element';

const E = element.make;

// The router takes the change back if this page does not reach it afterwards.
function applyChange(change) {
	return api.silence(change).then(function() {
		ui.hideModal();
		window.location.reload();
	}, page.failed);
}

// Shows first what would change.
function propose(finding) {
	page.dialog(finding.title, [
		E('p', [ finding.detail ]),
		report.diff(finding.change, function(section) { return uci.get('firewall', section) || {}; }),
		E('p', [ _('If you lose the connection to the router by this, it takes the change back by itself.') ]),
		page.buttons([
			[ _('Cancel'), '', ui.hideModal ],
			[ _('Save & Apply'), 'cbi-button-action important', ui.createHandlerFn(this, applyChange, finding.change) ]
		])
	]);
}

return page.makeView({
	load: function() {
		page.style();

		return Promise.all([ api.tryLoad('firewall'), page.mayWrite() ? api.tryLoad('latchkey') : false ]);
	},

	render: function(loaded) {
		const sections = loaded[0] ? api.sections('firewall') : [];

		return E('div', { 'class': 'lk' }, [
			E('h2', [ _('Stealth check') ]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('A door is only invisible if the rest of the router keeps silent too. ' +
					'This page reads the firewall’s settings and tells which of them answer to strangers.')
			]),
			sections.length
				? report.page(stealth.findings(sections, api.interfaces()), page.mayWrite() ? propose : null)
				: E('p', { 'class': 'lk-empty' }, [ _('Your account may not read the firewall’s settings.') ])
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
