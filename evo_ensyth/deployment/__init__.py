"""An ensemble as something that runs elsewhere: one ONNX file that holds the members and votes.

The work goes through the files in this order: `export` finds the ensemble of a run, its members and the samples to
verify on; `network_graph` and `other_members` turn members into graphs, with weights as in `stored_weights`;
`ensemble_graph` puts them behind one input and `vote_graph` adds the vote; `card` describes all of it; `verify` runs
the file on every sample. What the parts are put on is in `graph`.
"""
