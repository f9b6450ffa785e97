// SPDX-License-Identifier: Apache-2.0

package seal

// Ring holds the keys of all clients on the router's side.
type Ring struct{ keys []Key }
