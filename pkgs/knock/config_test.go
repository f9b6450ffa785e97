// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSPAKeysHide(t *testing.T) {
	keys := SPAKeys{Key: []byte("opensesame"), HMAC: []byte("opensesame")}
	client := SPAClient{Name: "phone", Keys: keys}
	asJSON, err := json.Marshal(client)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		texts = append(texts, fmt.Sprintf(verb, keys), fmt.Sprintf(verb, client), fmt.Sprintf(verb, &client))
	}
	for _, text := range texts {
		for _, secret := range []string{"opensesame", "6f70656e", "0x6f", "111 112", "b3BlbnNlc2FtZQ"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a key", text)
			}
		}
	}
}
