"""An encoder, a tagger and a source for i2v-search, each as small as it can be: a place to start from."""
