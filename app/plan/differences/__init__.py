"""What one plan says otherwise than another, told by its meaning (EP-9.3, ST-4). Pure: two documents in, sentences out."""
